// Expands the syntax of the statement table into the statements that it stands for.

/** Where the bracket that opens at `open` closes. */
function closing(text: string, open: number): number {
  const [opener, closer] = text[open] === '[' ? ['[', ']'] : ['{', '}'];
  for (let at = open, depth = 0; at < text.length; at++) {
    if (text[at] === opener) depth++;
    if (text[at] === closer && --depth === 0) return at;
  }
  throw new Error(`a bracket stays open in ${text.slice(open)}`);
}

/** `a | b` at the outermost level. */
function alternatives(text: string): string[] {
  const parts: string[] = [];
  let [from, depth] = [0, 0];
  for (let at = 0; at <= text.length; at++) {
    if ('[{'.includes(text[at] ?? ' ')) depth++;
    if (']}'.includes(text[at] ?? ' ')) depth--;
    if (at < text.length && (text[at] !== '|' || depth > 0)) continue;
    parts.push(text.slice(from, at).trim());
    from = at + 1;
  }
  return parts;
}

/** Every statement that a syntax stands for. */
export function formsOf(syntax: string): string[] {
  const open = syntax.search(/[[{]/);
  if (open < 0) return [syntax];
  const close = closing(syntax, open);
  const inner = syntax.slice(open + 1, close);
  const choices = syntax[open] === '[' ? ['', inner] : alternatives(inner);
  return choices.flatMap((choice) => formsOf(syntax.slice(0, open) + choice + syntax.slice(close + 1)));
}
