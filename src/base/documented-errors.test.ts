// Goal: tools that match on numbers and texts of the documentation find them. Method: its list.
import { expect, test } from 'vitest';
import { DOCUMENTED_ERRORS } from './documented-errors.fixture.ts';
import { ERRORS, fail, toClientError } from './errors.ts';

/** Stands for any fact in a message. */
const facts = new Proxy({}, { get: (_, name) => `‹${String(name)}›` }) as never;

test.each(DOCUMENTED_ERRORS)('-$number "$text"', ({ number, text, ours, differs }) => {
  if (ours === null) {
    expect(Object.values(ERRORS).map(({ code }) => code)).not.toContain(number);
    expect(differs).toBeTruthy();
    return;
  }
  const { errno, message } = toClientError(fail(ours, facts), 'mysql');
  expect(ERRORS[ours].code).toBe(number);
  expect(message.toLowerCase()).toContain(text.toLowerCase());
  // Numbers of this area travel as they are.
  if (number >= 9000) expect(errno).toBe(number);
});

test('numbers are listed once', () => {
  const numbers = DOCUMENTED_ERRORS.map(({ number }) => number);
  expect(new Set(numbers).size).toBe(numbers.length);
});
