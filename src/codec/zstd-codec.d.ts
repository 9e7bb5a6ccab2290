// The parts of zstd-codec that are used: the package has no types.
declare module 'zstd-codec' {
  export const ZstdCodec: {
    run(
      ready: (zstd: {
        readonly Simple: new () => { compress(content: Uint8Array, level: number): Uint8Array | null }
      }) => void,
    ): void
  }
}

declare module 'zstd-codec/lib/module.js' {
  export interface DecompressStream {
    begin(): boolean
    transform(chunk: Uint8Array, output: (bytes: Uint8Array) => void): boolean
    end(output: (bytes: Uint8Array) => void): boolean
    delete(): void
  }
  export function run(
    ready: (binding: { readonly ZstdDecompressStreamBinding: new () => DecompressStream }) => void,
  ): void
}
