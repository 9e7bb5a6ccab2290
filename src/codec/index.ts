/**
 * Bytes to bytes: `Codec` compresses and decompresses layers, `Fingerprinter` tells whether a file's content is the
 * one seen before. The only folder that knows WebAssembly and worker threads, and which job runs where (native
 * node:zlib, the module of wasm/, libraries). Knows no tar, no digest, no media type and no image.
 */
export { type Codec, type CodecOptions, type Compression, createCodec } from './codec.ts'
export { createFingerprinter, type Fingerprinter } from './fingerprint.ts'
export { UnsupportedDataError } from './unsupported-data.ts'
