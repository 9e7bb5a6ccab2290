/** What a back-reference can reach (RFC 1951 section 2), and so all of a predecessor that a block can use. */
export const DICTIONARY_MAX: u32 = 32768
export const BLOCK_MAX: u32 = 1048576

/** Bytes after the block that wide loads may touch; zeroed, so that no earlier block can influence this one. */
export const SLACK: u32 = 64

/** Dictionary and block, one after the other. The fingerprint reads files into the same place. */
export const WINDOW: usize = memory.data(1081408, 64)

/**
 * Room for the worst case: every split leaves a stored block of at least 1024 bytes with 6 bytes of
 * framing, and stored blocks repeat their 5 bytes every 65535.
 */
export const OUTPUT: usize = memory.data(1064960, 64)
export const OUTPUT_SIZE: u32 = 1064960
