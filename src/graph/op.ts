import type { Descriptor, Digest, Platform } from '../core/index.ts'

/** What a vertex does, as frozen plain data that can be written as JSON; runners are behaviour (solver/ops). */
export type Op = ScratchOp | ImageOp | ContextOp | HttpOp | GitOp | ExecOp | FileOp

/** An empty root file system. No inputs. */
export interface ScratchOp {
  readonly kind: 'scratch'
}

/** The root file system of an image, pinned by digest. No inputs. */
export interface ImageOp {
  readonly kind: 'image'
  /** As the user wrote it, for messages and for finding the content again. */
  readonly reference: string
  /** The image manifest for `platform` (never an index). */
  readonly manifest: Descriptor
  readonly platform: Platform
}

/** A build context: `name` is "context" for the main one, else the name of a named context. No inputs. */
export interface ContextOp {
  readonly kind: 'context'
  readonly name: string
}

/** One downloaded file, at `/<fileName>` of an otherwise empty root, mode 0600, owner 0:0. No inputs. */
export interface HttpOp {
  readonly kind: 'http'
  readonly url: string
  readonly fileName: string
  readonly checksum?: Digest
}

/** The files of a commit, or of a directory in it, owner 0:0. No inputs. Absent members: those of sources/git-url.ts. */
export interface GitOp {
  readonly kind: 'git'
  readonly remote: string
  readonly ref?: string
  readonly subdir?: string
  readonly checksum?: string
  readonly keepGitDir?: boolean
  readonly submodules?: boolean
  readonly mtime?: 'commit'
  readonly fetchByCommit?: boolean
}

/** A process in the root file system of input 0; other inputs are what its mounts name. */
export interface ExecOp {
  readonly kind: 'exec'
  readonly args: readonly string[]
  /** `NAME=value`, in order, without proxies (those are in Vertex.unkeyed). */
  readonly env: readonly string[]
  readonly cwd: string
  /** As USER gives it ("app", "1000:1000", ""), resolved against the root file system when it runs. */
  readonly user: string
  readonly network: 'default' | 'none' | 'host'
  readonly security: 'sandbox' | 'insecure'
  /** Name of the machine that the process sees; absent is the builder's own choice. */
  readonly hostname?: string
  readonly mounts: readonly Mount[]
  readonly platform: Platform
  /** Names in its /etc/hosts beside its own (their addresses are in Vertex.unkeyed). */
  readonly extraHosts?: readonly string[]
  /** Bytes of /dev/shm; absent is 64 MiB. */
  readonly shmSize?: number
  readonly ulimits?: readonly Ulimit[]
}

/** A resource limit, named as Docker does ("nofile"); -1 is none. */
export interface Ulimit {
  readonly name: string
  readonly soft: number
  readonly hard: number
}

/** A mount of a RUN (dockerfile reference, RUN --mount). `input` is an index into the vertex's inputs. */
export type Mount =
  | {
      readonly type: 'bind'
      readonly target: string
      readonly input: number
      readonly source: string
      readonly readonly: boolean
    }
  | {
      readonly type: 'cache'
      readonly target: string
      readonly id: string
      readonly sharing: 'shared' | 'private' | 'locked'
      readonly readonly: boolean
      readonly input?: number
      readonly source: string
      readonly mode: number
      readonly uid: number
      readonly gid: number
    }
  | {
      readonly type: 'tmpfs'
      readonly target: string
      readonly size?: number
      /** Absent is false. */
      readonly readonly?: boolean
    }
  | {
      readonly type: 'secret'
      readonly id: string
      readonly target?: string
      readonly env?: string
      readonly required: boolean
      readonly mode: number
      readonly uid: number
      readonly gid: number
    }
  | {
      readonly type: 'ssh'
      readonly id: string
      readonly target: string
      readonly required: boolean
      readonly mode: number
      readonly uid: number
      readonly gid: number
    }
  /** A file that the builder writes itself (a heredoc script); executable, read-only, never in the layer. */
  | { readonly type: 'file'; readonly target: string; readonly content: string; readonly mode: number }

/** Changes to the root file system of input 0, made by the builder itself, as one layer. */
export interface FileOp {
  readonly kind: 'file'
  readonly actions: readonly FileAction[]
  /** Modification time, in seconds, of what no source gives one: WORKDIR, heredocs, parents of a destination. Absent is now. */
  readonly time?: number
}

export type FileAction = MkdirAction | MkfileAction | CopyAction

/** Creates a directory and its parents where they are missing; nothing happens where it exists. */
export interface MkdirAction {
  readonly type: 'mkdir'
  /** Absolute. */
  readonly path: string
  readonly mode: number
  /** `user[:group]` by name or number; absent is 0:0. */
  readonly owner?: string
}

/** Writes a file (a heredoc of COPY or ADD) to `destination`, by the same rules as a copied file named `name`. */
export interface MkfileAction {
  readonly type: 'mkfile'
  readonly name: string
  readonly content: string
  readonly destination: string
  readonly owner?: string
  readonly mode: number
}

/** COPY or ADD from another input. All rules: dockerfile reference, COPY. */
export interface CopyAction {
  readonly type: 'copy'
  /** Index into the vertex's inputs. */
  readonly input: number
  /**
   * Paths or Go filepath.Match patterns, relative to the input's root. With `parents`: such a path, and behind the first
   * `/./` a pattern of .dockerignore for what is below it; without a `/./`, that pattern alone.
   */
  readonly sources: readonly string[]
  /** Absolute; a trailing "/" says that it is a directory. */
  readonly destination: string
  /** `user[:group]` from --chown. */
  readonly owner?: string
  /** From --chmod: octal digits or a symbolic list. */
  readonly mode?: string
  /** Whose owners the copied files have where --chown says nothing: 0:0 (build contexts) or their own (stages, images). */
  readonly ownership: 'root' | 'kept'
  /** Whether local archives are unpacked (ADD). */
  readonly unpack: boolean
  readonly exclude: readonly string[]
  /** Keeps the directories that lead to what a pattern selects below the destination. */
  readonly parents: boolean
  /** Makes the layer as if nothing lay below it. Counts when all actions of the operation are copies that say so. */
  readonly link: boolean
}
