// Names of objects: relative paths that can neither climb out of a destination nor hide in it.
import { assert } from '../base/assert.ts';

/** A name must fit every store and leave room for the ending of a temporary file (file systems: 255 bytes a part). */
const PART_CHARS_MAX = 200;
const NAME_CHARS_MAX = 512;
// No part begins with a dot: `.` and `..` climb, and temporary files begin with one.
const PART = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/** True for a part of an object name. */
export function isNamePart(part: string): boolean {
  return part.length <= PART_CHARS_MAX && PART.test(part);
}

/** True for the name of an object or of a directory of them. */
export function isObjectName(name: string): boolean {
  return name.length <= NAME_CHARS_MAX && name.split('/').every(isNamePart);
}

/** Names are made by `format/layout` or checked when read from a manifest: a bad one here is a bug. */
export function checkObjectName(name: string): void {
  assert(isObjectName(name), `'${name.slice(0, NAME_CHARS_MAX)}' is an object name`);
}

/** A prefix is the name of a directory, or '' for all; one trailing slash is fine. @returns it without the slash */
export function checkPrefix(prefix: string): string {
  const directory = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  if (directory !== '') checkObjectName(directory);
  return directory;
}
