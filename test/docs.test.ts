// Goal: generated pages are never stale, and the READMEs say the same two commands.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { generatedPages } from '../scripts/generate-docs.ts';

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');

describe('the documentation', () => {
  test.each(Object.entries(generatedPages()))('%s is what `npm run docs` makes', (path, text) => {
    expect(read(path)).toBe(text);
  });

  test.each(['README.md', 'README.zh-CN.md'])('%s opens with the two commands', (path) => {
    expect(read(path)).toMatch(/^# Holdfast\n\n```\nnpm run quickstart\nnpm test\n```\n/);
  });
});
