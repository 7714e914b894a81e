import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    // Two cores: more files at once only make the tests with real processes slower and their waits longer.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Tests speak to S3 servers by AWS's library too, which says of itself that next year's versions need a newer Node.js.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    // A simulated server that is dead goes on trying, with nobody left to catch what it throws.
    onUnhandledError: (error) => error.name !== 'SimulatedDeath',
    reporters: ['default', './test/count-reporter.ts'],
    coverage: { provider: 'v8', include: ['src/**'], exclude: ['src/**/*.test.ts'] },
  },
});
