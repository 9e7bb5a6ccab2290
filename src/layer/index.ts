/**
 * Layers as tar: changes of a tree written as a layer, and layers applied to a tree. Knows the format of
 * image-spec layer.md and nothing of where layers come from or go to.
 */
export * from './apply-layer.ts'
export * from './archive.ts'
export {
  createLayer,
  describeLayer,
  LAYER_TYPES,
  type LayerCompression,
  type LayerWriterOptions,
  type TarReader,
} from './create-layer.ts'
export { limitExpansion } from './expansion-limit.ts'
export * from './recompress-layer.ts'
export { encodeTarHeader, paddingOf, ROOT_FILE, type TarEntryType, type TarHeader } from './tar-header.ts'
export * from './tar-index.ts'
export { isTarHeader, readTar, type TarPart } from './tar-reader.ts'
export { layerTar, TAR_END, type TarOptions } from './write-layer.ts'
