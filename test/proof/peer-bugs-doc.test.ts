// Goal: docs/proof.md names only tests that exist. Method: each `file` “test” of the page is looked up in that file.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

const files = ['src', 'test'].flatMap((directory) =>
  readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(directory, name)),
);

/** The file that a page means by its name or the end of its path. */
function fileOf(name: string): string | undefined {
  const found = files.filter((path) => path === name || path.endsWith(`/${name}`));
  if (found.length > 1) throw new Error(`${name} is any of ${found.join(', ')}`);
  return found[0];
}

test('every test that docs/proof.md names is there', () => {
  const page = readFileSync(join(root, 'docs', 'proof.md'), 'utf8');
  const problems: string[] = [];
  let named = 0;
  for (const [, name, quotes] of page.matchAll(/`([^`\s]+\.ts)`((?:,?\s+“[^”]+”)*)/g)) {
    const path = fileOf(name!);
    if (!path) {
      problems.push(`${name} is not there`);
      continue;
    }
    const text = readFileSync(join(root, path), 'utf8');
    for (const [, quote] of quotes!.matchAll(/“([^”]+)”/g)) {
      named++;
      if (!text.includes(quote!.replace(/\s+/g, ' '))) problems.push(`${path} has no “${quote}”`);
    }
  }
  expect(problems).toEqual([]);
  expect(named).toBeGreaterThan(60);
});
