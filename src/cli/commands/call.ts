import type { Job } from '../../index.ts'
import type { Api } from '../api.ts'
import type { BuildRequest } from '../build-options.ts'
import type { CallRequest } from '../call-spec.ts'
import { errorReport } from '../error-report.ts'
import type { Host } from '../host.ts'
import { checkDocument, outlineDocument, targetsDocument } from '../inspection-json.ts'
import { checkText, outlineText, targetsText } from '../inspection-text.ts'
import { sanitizeText } from '../progress/text.ts'

/** `ossb build --call` and `--check`: says something about a build instead of building. Answers the exit status. */
export async function runCall(
  { options: given, progress }: BuildRequest,
  call: CallRequest,
  host: Host,
  api: Api,
): Promise<number> {
  const options = { ...given, standardInput: host.stdin }
  const job: Job = { signal: host.interruption.signal, emit: () => undefined }
  const show = (lines: readonly string[], document: () => object) => {
    const text = call.format === 'json' ? [JSON.stringify(document(), undefined, 2)] : lines
    if (text.length > 0) host.stdout.write(`${text.join('\n')}\n`)
  }
  const complain = (lines: readonly string[]) => {
    for (const line of lines) host.stderr.write(`${line}\n`)
  }
  if (call.method === 'targets') {
    const list = await api.targets(options, job)
    show(targetsText(list), () => targetsDocument(list))
    return 0
  }
  if (call.method === 'outline') {
    const found = await api.outline(options, job)
    show(outlineText(found), () => outlineDocument(found))
    return 0
  }
  const report = await api.check(options, job)
  show(checkText(report), () => checkDocument(report))
  const { error, file, unresolved, warnings } = report
  if (progress !== 'quiet')
    complain(
      unresolved.map(
        ({ reference, reason }) =>
          `note: the checks know nothing of the base image "${sanitizeText(reference)}": ${sanitizeText(reason)}`,
      ),
    )
  if (error !== undefined && call.format === 'text') complain(errorReport({ error, sourceText: file.text }))
  return call.ignoreStatus || (error === undefined && warnings.length === 0) ? 0 : 1
}
