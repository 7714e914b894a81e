// Results as a MySQL client prints them: boxed tables, or one column a line (\G).

export type Cell = string | null;

export interface PrintableResult {
  columns: string[];
  /** True for columns that are aligned to the right. */
  isNumeric: boolean[];
  rows: Cell[][];
}

/** Longest cell printed whole in a table; a longer one is cut, `\G` shows it all. */
const CELL_CHARS_MAX = 512;

/** Columns of the terminal that a text takes: East Asian wide characters take two. */
function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const isWide =
      (code >= 0x1100 && code <= 0x115f) ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0xffe0 && code <= 0xffe6) ||
      (code >= 0x1f300 && code <= 0x1faff) ||
      (code >= 0x20000 && code <= 0x3fffd);
    width += isWide ? 2 : 1;
  }
  return width;
}

/** Control characters would move the cursor: they are shown as escapes. */
function clean(cell: Cell): string {
  if (cell === null) return 'NULL';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is looked for
  return cell.replace(/[\u0000-\u001f\u007f]/g, (character) =>
    character === '\n'
      ? '\\n'
      : character === '\t'
        ? '\\t'
        : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function shorten(text: string): string {
  return text.length <= CELL_CHARS_MAX ? text : `${text.slice(0, CELL_CHARS_MAX - 1)}…`;
}

function pad(text: string, width: number, isRight: boolean): string {
  const blanks = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return isRight ? blanks + text : text + blanks;
}

/** A boxed table, with a closing newline. */
export function formatTable({ columns, isNumeric, rows }: PrintableResult): string {
  const cells = rows.map((row) => row.map((cell) => shorten(clean(cell))));
  const widths = columns.map((name, at) =>
    Math.max(displayWidth(name), ...cells.map((row) => displayWidth(row[at] ?? ''))),
  );
  const line = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const print = (row: string[], isHead: boolean) =>
    `|${row.map((cell, at) => ` ${pad(cell, widths[at]!, !isHead && isNumeric[at] === true)} `).join('|')}|`;
  return [line, print(columns, true), line, ...cells.map((row) => print(row, false)), line, ''].join('\n');
}

/** One column a line, as after `\G`, with a closing newline. */
export function formatVertical({ columns, rows }: PrintableResult): string {
  const width = Math.max(0, ...columns.map(displayWidth));
  const stars = '*'.repeat(27);
  return rows
    .map((row, at) => {
      const lines = columns.map((name, column) => `${pad(name, width, true)}: ${row[column] ?? 'NULL'}`);
      return [`${stars} ${at + 1}. row ${stars}`, ...lines, ''].join('\n');
    })
    .join('');
}
