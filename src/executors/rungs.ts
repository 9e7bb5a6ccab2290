/** One of the ways to isolate a RUN, the strongest first: whether it can be had here, and what it leaves open. */
export interface RungFinding {
  readonly number: 1 | 2 | 3 | 4 | 5 | 6
  readonly name: string
  readonly usable: boolean
  /** Why not, with the system call or file that said no. */
  readonly reason?: string
  /** The one command or setting that would help. */
  readonly remedy?: string
  /** What it keeps no hostile RUN from. */
  readonly cannotPrevent: readonly string[]
}

/** What was found out of something that rungs need. */
interface Need {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
}

/** What was found out of an executor, and the weaker form in which it can be used. */
interface Candidate extends Judgement {
  readonly name: string
  readonly variant?: string
}

interface Found {
  readonly executors: readonly Candidate[]
  readonly isRoot: boolean
  /** What keeps anybody from namespaces and mounts. */
  readonly blocked: Need | undefined
  readonly range: Need | undefined
  readonly records: Need | undefined
}

type Judgement = Pick<RungFinding, 'usable' | 'reason' | 'remedy'>

const USABLE: Judgement = { usable: true }
const FOR_ROOT: Judgement = { usable: false, reason: 'it needs root, and this is an ordinary user' }
const FOR_USERS: Judgement = { usable: false, reason: 'it is for ordinary users, and this is root' }

const NETWORK = 'use of the network of this machine, but by RUN --network=none'
const RESOURCES =
  'use of all disk, memory and time that whoever builds may have, but by --ulimit and --shm-size'
const KERNEL_AS_ROOT = 'use of a flaw in the kernel, as root of this machine'
const FILES_OF_USERS = 'writing of files that belong to another USER of the image'
const SUPERVISOR = 'use of a flaw in the supervisor of its calls, as root of the container'
const BUILDER = 'signals to, and reading of, what else this user runs in the container'

/** `.github/SECURITY.md` says the same at greater length. */
const RUNGS: readonly (Pick<RungFinding, 'number' | 'name' | 'cannotPrevent'> & {
  readonly judge: (found: Found) => Judgement
})[] = [
  {
    number: 1,
    name: 'root, namespaces',
    cannotPrevent: [NETWORK, RESOURCES, KERNEL_AS_ROOT],
    judge: ({ isRoot, blocked }) => (isRoot ? unless(blocked) : FOR_ROOT),
  },
  {
    number: 2,
    name: 'user with an id range, namespaces',
    cannotPrevent: [NETWORK, RESOURCES],
    judge: ({ isRoot, blocked, range }) => (isRoot ? FOR_USERS : unless(blocked, range)),
  },
  {
    number: 3,
    name: 'user with one id, namespaces',
    cannotPrevent: [NETWORK, RESOURCES, FILES_OF_USERS],
    judge: ({ isRoot, blocked, records }) => (isRoot ? FOR_USERS : unless(blocked, records)),
  },
  {
    number: 4,
    name: 'root of a container, chroot',
    cannotPrevent: [NETWORK, RESOURCES, SUPERVISOR],
    judge: ({ isRoot, executors }) => (isRoot ? chrooted(executors) : FOR_ROOT),
  },
  {
    number: 5,
    name: 'user of a container, tracing',
    cannotPrevent: [NETWORK, RESOURCES, FILES_OF_USERS, BUILDER],
    judge: ({ executors }) => ofExecutor(executors, 'traced'),
  },
  {
    number: 6,
    name: 'OCI runtime (--executor container)',
    cannotPrevent: [NETWORK, RESOURCES],
    judge: ({ executors }) => ofExecutor(executors, 'container'),
  },
]

/** Each rung with whether and why it can't be used. */
export function rungFindings(found: Found): readonly RungFinding[] {
  return RUNGS.map(({ judge, ...rung }) => ({ ...rung, ...judge(found) }))
}

/** The rung that an executor is in the form in which it can be used. */
export function rungOf({ name, variant }: Pick<Candidate, 'name' | 'variant'>): RungFinding['number'] {
  const numbers: Readonly<Record<string, RungFinding['number']>> = {
    local: 1,
    'local chroot': 4,
    rootless: 2,
    'rootless one id': 3,
    traced: 5,
    container: 6,
  }
  return numbers[variant === undefined ? name : `${name} ${variant}`] ?? 1
}

function unless(...findings: readonly (Need | undefined)[]): Judgement {
  const refused = findings.find((finding) => finding?.ok === false)
  if (refused === undefined) return USABLE
  return {
    usable: false,
    reason: `${refused.name}: ${refused.detail}`,
    ...(refused.remedy === undefined ? {} : { remedy: refused.remedy }),
  }
}

function ofExecutor(executors: readonly Candidate[], wanted: string): Judgement {
  const executor = executors.find(({ name }) => name === wanted)
  if (executor === undefined) return { usable: false, reason: 'this version of OSSB does not have it' }
  const { usable, reason, remedy } = executor
  return { usable, ...(reason === undefined ? {} : { reason }), ...(remedy === undefined ? {} : { remedy }) }
}

/** The stronger form of the executor takes its place wherever it can. */
function chrooted(executors: readonly Candidate[]): Judgement {
  const local = executors.find(({ name }) => name === 'local')
  if (local !== undefined && rungOf(local) === 4) return USABLE
  if (local?.usable === true) return { usable: false, reason: 'it is not needed: rung 1 can be used' }
  return ofExecutor(executors, 'local')
}
