// The character sets and collations that a client may name. Text travels as utf8mb4; the others listed are parts of it.

export interface CharacterSet {
  name: string;
  description: string;
  defaultCollation: string;
  maxBytes: number;
}

export const DEFAULT_CHARSET = 'utf8mb4';
export const DEFAULT_COLLATION = 'utf8mb4_general_ci';

export const CHARACTER_SETS: readonly CharacterSet[] = [
  { name: 'ascii', description: 'US ASCII', defaultCollation: 'ascii_general_ci', maxBytes: 1 },
  { name: 'binary', description: 'Binary pseudo charset', defaultCollation: 'binary', maxBytes: 1 },
  { name: 'utf8', description: 'UTF-8 Unicode', defaultCollation: 'utf8_general_ci', maxBytes: 3 },
  { name: 'utf8mb4', description: 'UTF-8 Unicode', defaultCollation: DEFAULT_COLLATION, maxBytes: 4 },
];

export interface Collation {
  name: string;
  charset: string;
  id: number;
}

/** Ids as in MySQL. */
export const COLLATIONS: readonly Collation[] = [
  { name: 'ascii_general_ci', charset: 'ascii', id: 11 },
  { name: 'binary', charset: 'binary', id: 63 },
  { name: 'utf8_general_ci', charset: 'utf8', id: 33 },
  { name: 'utf8_bin', charset: 'utf8', id: 83 },
  { name: 'utf8_unicode_ci', charset: 'utf8', id: 192 },
  { name: 'utf8mb4_general_ci', charset: 'utf8mb4', id: 45 },
  { name: 'utf8mb4_bin', charset: 'utf8mb4', id: 46 },
  { name: 'utf8mb4_unicode_ci', charset: 'utf8mb4', id: 224 },
  { name: 'utf8mb4_unicode_520_ci', charset: 'utf8mb4', id: 246 },
  { name: 'utf8mb4_0900_ai_ci', charset: 'utf8mb4', id: 255 },
];

/** The set of this name, `utf8mb3` being utf8; undefined for one we do not know. */
export function findCharset(name: string): CharacterSet | undefined {
  const lower = name.toLowerCase() === 'utf8mb3' ? 'utf8' : name.toLowerCase();
  return CHARACTER_SETS.find((charset) => charset.name === lower);
}

export function findCollation(name: string): Collation | undefined {
  const lower = name.toLowerCase().replace(/^utf8mb3_/, 'utf8_');
  return COLLATIONS.find((collation) => collation.name === lower);
}
