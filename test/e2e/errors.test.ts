import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await miniBase()
const FROM = `FROM oci-layout://${base}:base`
const GOOD = `${FROM}\nRUN echo good > /good\n`

interface Failure {
  readonly what: string
  readonly dockerfile: string
  readonly status: number
  /** What standard error has to say. */
  readonly says: readonly (string | RegExp)[]
  readonly args?: readonly string[]
}

const FAILURES: readonly Failure[] = [
  {
    what: 'an unknown instruction',
    dockerfile: `${GOOD}RUNN echo x\n`,
    status: 1,
    says: ['unknown instruction: RUNN', 'Dockerfile:3', 'RUNN echo x'],
  },
  {
    what: 'an unknown flag of an instruction',
    dockerfile: `${GOOD}COPY --frm=a b c\n`,
    status: 1,
    says: ['unknown flag: --frm', 'Dockerfile:3'],
  },
  {
    what: 'a COPY source that is not there',
    dockerfile: `${GOOD}COPY no-such-file /\n`,
    status: 1,
    says: ['no-such-file', /not found/, 'Dockerfile:3', 'COPY no-such-file /'],
  },
  {
    what: 'a COPY source outside the context',
    dockerfile: `${GOOD}COPY ../../../../etc/shadow /\n`,
    status: 1,
    says: ['etc/shadow', 'Dockerfile:3'],
  },
  {
    what: 'a base directory that is not there',
    dockerfile: 'FROM oci-layout:///no/such/layout:base\nRUN true\n',
    status: 1,
    says: ['/no/such/layout', 'Dockerfile:1'],
  },
  {
    what: 'a registry that does not answer',
    dockerfile: 'FROM 127.0.0.1:1/some/image:1\nRUN true\n',
    status: 1,
    says: ['127.0.0.1:1', /ECONNREFUSED|refused/, 'Dockerfile:1'],
  },
  {
    what: 'a stage that is not there',
    dockerfile: GOOD,
    args: ['--target', 'missing'],
    status: 1,
    says: ['missing', /stage/],
  },
  {
    what: 'a RUN that fails, with its own status',
    dockerfile: `${GOOD}RUN echo before; exit 7\n`,
    status: 7,
    says: ['before', 'Dockerfile:3', 'exit 7'],
  },
  {
    what: 'a RUN whose program is not there',
    dockerfile: `${GOOD}RUN ["/no/such/program"]\n`,
    status: 127,
    says: ['/no/such/program', 'Dockerfile:3'],
  },
  {
    what: 'a RUN that is killed',
    dockerfile: `${GOOD}RUN kill -KILL $$\n`,
    status: 137,
    says: ['Dockerfile:3', /137|SIGKILL/],
  },
  {
    what: 'a USER that the image does not know',
    dockerfile: `${GOOD}USER nobody-here\nRUN true\n`,
    status: 1,
    says: ['nobody-here', 'Dockerfile:4'],
  },
]

describe.each(await identities())('as $name', (identity) => {
  test.each(FAILURES)(
    '$what is one clear error; output and cache stay',
    async ({ dockerfile, status, says, args }) => {
      await using workspace = await createWorkspace(identity)
      await workspace.write({ 'app/Dockerfile': GOOD, 'out.tar': 'previous' })
      await workspace.mustOssb(['build', 'app'])

      await workspace.write({ 'app/Dockerfile': dockerfile })
      const failed = await workspace.ossb(['build', '-o', 'type=oci,dest=out.tar', ...(args ?? []), 'app'])
      expect(failed.stderr.split('\n').filter((line) => /^(ossb: )?error\b/i.test(line))).toHaveLength(1)
      for (const text of says) expect(failed.stderr).toMatch(typeof text === 'string' ? literal(text) : text)
      expect(failed.stderr).not.toMatch(/\n\s+at .*\(.*:\d+:\d+\)/)
      expect(failed.status).toBe(status)
      expect(await readFile(workspace.file('out.tar'), 'utf8')).toBe('previous')
      expect(await workspace.leftovers()).toEqual([])

      await workspace.write({ 'app/Dockerfile': GOOD })
      const again = readProgress((await workspace.mustOssb(['build', '--progress', 'json', 'app'])).stderr)
      expect(again.completed.filter((name) => name.includes('RUN'))).toEqual([])
    },
  )
})

function literal(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
}
