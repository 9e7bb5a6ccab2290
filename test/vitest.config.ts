import { defineConfig } from 'vitest/config'

const project = (name: string, options: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
})

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    passWithNoTests: false,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/architecture.test.ts'],
          testTimeout: 30_000,
        },
      },
      project('integration', { testTimeout: 120_000, hookTimeout: 300_000 }),
      project('e2e', { testTimeout: 300_000, hookTimeout: 600_000, fileParallelism: false }),
    ],
  },
})
