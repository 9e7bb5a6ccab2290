const NAMES =
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM ' +
  'TRAP TSTP TTIN TTOU UNUSED URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'

const SIGNALS: ReadonlySet<string> = new Set(NAMES.split(' '))
/** Linux's real-time signals are 34 to 64. */
const REAL_TIME = /^(?:RTMIN\+(?:[1-9]|1[0-5])|RTMAX-(?:[1-9]|1[0-4]))$/

/** Whether STOPSIGNAL takes it: a number but 0, or a name of Linux with or without SIG, in any case. */
export function isSignal(text: string): boolean {
  if (/^-?\d{1,9}$/.test(text)) return Number(text) !== 0
  const name = text.toUpperCase().replace(/^SIG/, '')
  return SIGNALS.has(name) || REAL_TIME.test(name)
}
