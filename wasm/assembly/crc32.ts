/** The reflected polynomial of RFC 1952 section 8. */
const POLYNOMIAL: u32 = 0xedb88320
const TABLE: usize = memory.data(16384, 64)

/** Table k gives the effect of a byte that lies k bytes before the end of a group of 16. */
export function initCrc32(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    store<u32>(TABLE + (i << 2), crc)
  }
  for (let i: u32 = 0; i < 3840; i++) {
    const previous = load<u32>(TABLE + (i << 2))
    store<u32>(TABLE + (i << 2), (previous >>> 8) ^ load<u32>(TABLE + ((previous & 255) << 2)), 1024)
  }
}

function step(word: u32, table: usize): u32 {
  return (
    load<u32>(table + ((word & 255) << 2), 3072) ^
    load<u32>(table + (((word >>> 8) & 255) << 2), 2048) ^
    load<u32>(table + (((word >>> 16) & 255) << 2), 1024) ^
    load<u32>(table + ((word >>> 24) << 2))
  )
}

/** CRC-32 of `length` bytes, continuing from `seed` (0 to start). */
export function crc32(seed: u32, pointer: usize, length: u32): u32 {
  let crc = ~seed
  const end = pointer + length
  for (; pointer + 16 <= end; pointer += 16) {
    crc =
      step(load<u32>(pointer) ^ crc, TABLE + 12288) ^
      step(load<u32>(pointer, 4), TABLE + 8192) ^
      step(load<u32>(pointer, 8), TABLE + 4096) ^
      step(load<u32>(pointer, 12), TABLE)
  }
  for (; pointer < end; pointer++) {
    crc = (crc >>> 8) ^ load<u32>(TABLE + (((crc ^ load<u8>(pointer)) & 255) << 2))
  }
  return ~crc
}
