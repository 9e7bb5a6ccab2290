/**
 * What Node has no calls for: namespaces, a RUN in its own root, overlay mounts, extended attributes, device nodes,
 * nanosecond times, file locks and fast tree walks. A small static C program (`c/`, ready-built in `prebuilt/`) does
 * them; this is its client. One interface: find the helper with `loadHelper()`, hand it to the functions here.
 * Knows nothing of images, layers, Dockerfiles or executors; paths that it is given must be resolved already.
 */
export {
  type FileOperation,
  type FileOperationResult,
  type FileSession,
  type MountOperation,
  openFileSession,
} from './file-session.ts'
export { type LoadHelperOptions, loadHelper, type NativeHelper } from './helper.ts'
export { type IdRange, type IdRangeOwner, readIdRanges } from './id-range.ts'
export { type ProbeItem, type ProbeName, type ProbeRanges, probeEnvironment } from './probe.ts'
export { type RunResult, runInRoot } from './run.ts'
export type { RunLimit, RunMount, RunSpec } from './run-spec.ts'
export { type MapKind, type MappedProcess, type SpawnMappedOptions, spawnMapped } from './spawn-mapped.ts'
export { walkRecords, walkTree } from './walk.ts'
export { createRecordCursor } from './walk-record.ts'
