import { foreignArchitectures } from './architectures.ts'
import { EMULATION_REMEDIES } from './emulation.ts'
import { findInterpreter, hostRegistration } from './interpreters.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** How programs of an architecture run here. */
interface EmulatedArchitecture {
  readonly architecture: string
  /** What the machine has registered: "qemu-aarch64". */
  readonly registration?: string
  /** The emulator that a build can register for itself. */
  readonly interpreter?: string
}

interface EmulationFinding {
  readonly name: 'emulation'
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
}

/**
 * Which foreign programs a RUN can run, and how.
 * @param canRegister whether the kernel has a registry of interpreters for each user namespace
 */
export function emulationFinding(canRegister: boolean, environment: Environment): EmulationFinding {
  const name = 'emulation'
  const all = foreignArchitectures().map((architecture) => emulatedArchitecture(architecture, environment))
  const usable = all.filter(
    ({ registration, interpreter }) =>
      registration !== undefined || (canRegister && interpreter !== undefined),
  )
  if (usable.length > 0) return { name, ok: true, detail: usable.map(describe).join(', ') }
  const lacks = all.some(({ interpreter }) => interpreter !== undefined) ? 'registration' : 'interpreter'
  return {
    name,
    ok: false,
    detail: REASONS[lacks],
    remedy: `${EMULATION_REMEDIES[lacks]} Only RUN steps of another architecture need that.`,
  }
}

const REASONS = {
  interpreter: 'there is no emulator for another architecture',
  registration:
    'there are emulators for other architectures, but the kernel has no registry of our own for them, and the machine has registered none',
} as const

function emulatedArchitecture(architecture: string, environment: Environment): EmulatedArchitecture {
  const found = findInterpreter(architecture, [], environment)
  const host = hostRegistration(architecture)
  return {
    architecture,
    ...(host?.isFixed === true ? { registration: host.name } : {}),
    ...('path' in found ? { interpreter: found.path } : {}),
  }
}

function describe({ architecture, registration, interpreter }: EmulatedArchitecture): string {
  return `${architecture} (${registration === undefined ? interpreter : `registered: ${registration}`})`
}
