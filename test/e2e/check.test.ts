import { describe, expect, test } from 'vitest'
import { identities } from '../support/identity.ts'
import { createWorkspace } from '../support/workspace.ts'

const DOCKERFILE = `# VERSION what to build
ARG VERSION=1
FROM nowhere.invalid/base:\${VERSION} AS Base
COPY secret.txt \${DIRECTORY:-/app}/
RUN --mount=type=secret,id=token,required true
# app the program
FROM base AS app
CMD run
`

describe.each(await identities())('as $name', (identity) => {
  test('ossb build --check and --call need no namespace, no network and no base image', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/.dockerignore': 'secret.*\n' })
    const check = await workspace.ossb(['build', '--executor', 'container', '--check', 'app'])
    expect(check.status).toBe(1)
    expect(check.stdout).toContain('Check complete, 4 warnings have been found!\n')
    expect(check.stdout.match(/^WARNING: \w+/gm)).toEqual([
      'WARNING: StageNameCasing',
      'WARNING: UndefinedVar',
      'WARNING: CopyIgnoredFile',
      'WARNING: JSONArgsRecommended',
    ])
    expect(check.stderr).toContain('nowhere.invalid/base:1')
    const outline = await workspace.mustOssb(['build', '--call=outline', 'app'])
    expect(outline.stdout).toBe(
      [
        'TARGET:      app',
        'DESCRIPTION: the program',
        '',
        'BUILD ARG   VALUE   DESCRIPTION',
        'VERSION     1       what to build',
        '',
        'SECRET   REQUIRED',
        'token    true',
        '',
        '',
      ].join('\n'),
    )
    const targets = await workspace.mustOssb(['build', '--call=targets', 'app'])
    expect(targets.stdout).toBe(
      'TARGET          DESCRIPTION\nbase            \napp (default)   the program\n',
    )
    expect(await workspace.leftovers()).toEqual([])
  })
})
