// The two ways to print what was inspected: text for people, one JSON document for programs. Both stream.
import type { Fact, FoundDamage, InspectOutput, Item } from './item.ts';

/** Writes a piece of the output; resolves when the next may follow. */
export type Write = (text: string) => Promise<void>;

export interface InspectPrinter extends InspectOutput {
  begin(uri: string): Promise<void>;
  /** @param damageCount of the whole run, also of damage that was not listed */
  end(damageCount: number): Promise<void>;
}

const INDENT = '  ';

/** Whoever can write to a destination must not move the cursor of who looks at it, nor turn the direction of a line. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function factText(fact: Fact): string {
  if (fact === null) return '-';
  if (typeof fact === 'boolean') return fact ? 'yes' : 'no';
  return visible(String(fact));
}

/** `firstBatchNo` as people read it: `first batch no`. */
function label(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

export function textPrinter(write: Write): InspectPrinter {
  return {
    begin: (uri) => write(`${visible(uri)}\n`),
    async item({ kind, name, facts, depth, isLine }) {
      const pad = INDENT.repeat(depth);
      const title = [label(kind), visible(name)].filter((text) => text !== '').join(' ');
      const entries = Object.entries(facts);
      if (isLine) {
        const told = entries.map(([fact, value]) => `${label(fact)} ${factText(value)}`);
        await write(`${pad}${[title, ...told].join('  ')}\n`);
        return;
      }
      const width = Math.max(0, ...entries.map(([fact]) => label(fact).length));
      const rows = entries.map(([fact, value]) => `${pad}${INDENT}${label(fact).padEnd(width)}  ${factText(value)}\n`);
      await write(`\n${pad}${title}\n${rows.join('')}`);
    },
    damage: ({ object, because }) => write(`DAMAGED ${visible(object)}: ${visible(because)}\n`),
    end: (damageCount) =>
      write(damageCount === 0 ? '\nno damage found\n' : `\n${damageCount} damaged or missing, named above\n`),
  };
}

/** `{"uri": …, "items": [ … ], "damage": [ … ]}`; every item on a line of its own. */
export function jsonPrinter(write: Write): InspectPrinter {
  const damages: FoundDamage[] = [];
  let hasItem = false;
  const text = (value: unknown) =>
    JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part));
  return {
    begin: (uri) => write(`{"uri":${text(uri)},"items":[`),
    async item({ kind, name, facts }: Item) {
      await write(`${hasItem ? ',' : ''}\n${text({ kind, name, ...facts })}`);
      hasItem = true;
    },
    async damage(damage) {
      damages.push(damage);
    },
    end: (damageCount) => write(`\n],"damage":${text(damages)},"damageCount":${damageCount}}\n`),
  };
}
