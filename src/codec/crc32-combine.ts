/** The reflected polynomial of RFC 1952 section 8; in this form bit 31 stands for x^0. */
const POLYNOMIAL = 0xedb88320
const ONE = 0x80000000

/** Product of two polynomials over GF(2) modulo the CRC's. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let mask = ONE; mask !== 0 && a !== 0; mask >>>= 1) {
    if (a & mask) {
      product ^= b
      a = (a & ~mask) >>> 0
    }
    b = b & 1 ? (b >>> 1) ^ POLYNOMIAL : b >>> 1
  }
  return product >>> 0
}

/** x^(8 * bytes): what `bytes` further bytes of zeros do to a CRC. */
function shiftBy(bytes: number): number {
  let power = multiply(0x40000000, 0x40000000)
  power = multiply(power, power)
  power = multiply(power, power)
  let result = ONE
  for (let rest = bytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = multiply(power, result)
    power = multiply(power, power)
  }
  return result
}

let lastLength = -1
let lastShift = 0

/** CRC-32 of A followed by B, from the CRC-32 of each and the length of B in bytes. */
export function combineCrc32(a: number, b: number, lengthOfB: number): number {
  if (lengthOfB !== lastLength) {
    lastShift = shiftBy(lengthOfB)
    lastLength = lengthOfB
  }
  return (multiply(lastShift, a) ^ b) >>> 0
}
