// What `inspect` prints: a stream of items, so that no listing of a destination ever stands in memory whole.

/** 64-bit numbers are bigint: text prints them, JSON writes them as decimal text. */
export type Fact = string | number | bigint | boolean | null;

export interface Item {
  /** One word for what it is: `set`, `segment`, `batch`, … */
  kind: string;
  /** Object or directory below the destination; '' when it has none of its own. */
  name: string;
  facts: Readonly<Record<string, Fact>>;
  /** Levels below the destination. */
  depth: number;
  /** Printed on one line: for what there are many of. */
  isLine: boolean;
}

/** Something that is not as it was written, or is missing. */
export interface FoundDamage {
  object: string;
  because: string;
}

/** Takes what is found, in order; resolves when more can be taken. */
export interface InspectOutput {
  item(item: Item): Promise<void>;
  damage(damage: FoundDamage): Promise<void>;
}

/** An item of several lines. */
export function block(kind: string, name: string, facts: Item['facts'], depth = 0): Item {
  return { kind, name, facts, depth, isLine: false };
}

/** An item of one line. */
export function line(kind: string, name: string, facts: Item['facts'], depth = 1): Item {
  return { kind, name, facts, depth, isLine: true };
}
