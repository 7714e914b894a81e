import { describe, expect, test } from 'vitest';
import { countParameters, decodeString, type Lexical, lexicalRules, rulesOf, Tokenizer } from './tokenizer.ts';

/** Kinds and texts of all tokens, `kind:text`. */
function tokensOf(sql: string, lexical: Lexical = 'mysql'): string[] {
  const tokenizer = new Tokenizer(sql, lexical);
  const found: string[] = [];
  for (let token = tokenizer.next(); token.kind !== 'end'; token = tokenizer.next()) {
    found.push(`${token.kind}:${sql.slice(token.start, token.end)}`);
  }
  return found;
}

describe('tokens', () => {
  test.each<[string, string[]]>([
    ['select a1, $x_é', ['word:select', 'word:a1', 'operator:,', 'word:$x_é']],
    ['`a``b` "s""t" \'u\'\'v\'', ['quoted:`a``b`', 'string:"s""t"', "string:'u''v'"]],
    ['\'a\\\'b\' "c\\"d"', ["string:'a\\'b'", 'string:"c\\"d"']],
    ["x'4D' B'01' n'é' x 'y'", ["binary:x'4D'", "binary:B'01'", "string:n'é'", 'word:x', "string:'y'"]],
    ['1 1.5 .5 1e10 1.5e-3 0xFF 0b01', ['1', '1.5', '.5', '1e10', '1.5e-3', '0xFF', '0b01'].map((n) => `number:${n}`)],
    ['4G 120s 1d', ['word:4G', 'word:120s', 'word:1d']],
    [
      't.1a a.`b` t1.5',
      ['word:t', 'operator:.', 'word:1a', 'word:a', 'operator:.', 'quoted:`b`', 'word:t1', 'operator:.', 'number:5'],
    ],
    [
      "@a.b @`x y` @'q' @@x @@session.x @@`y`",
      [
        'userVariable:@a.b',
        'userVariable:@`x y`',
        "userVariable:@'q'",
        'systemVariable:@@x',
        'systemVariable:@@session.x',
        'systemVariable:@@`y`',
      ],
    ],
    ["root@localhost 'r'@'%'", ['word:root', 'userVariable:@localhost', "string:'r'", "userVariable:@'%'"]],
    [
      'a<=>b->>c:=d||e?',
      [
        'word:a',
        'operator:<=>',
        'word:b',
        'operator:->>',
        'word:c',
        'operator::=',
        'word:d',
        'operator:||',
        'word:e',
        'parameter:?',
      ],
    ],
    [
      '1--2 -- c\n3 # d\n4 /* e */ 5 --',
      ['number:1', 'operator:-', 'operator:-', 'number:2', 'number:3', 'number:4', 'number:5'],
    ],
    ['/*!40101 SET */ a /*! b */ /*!99999 c */ /*+ hint */', ['word:SET', 'word:a', 'word:b']],
    ['a /* open', ['word:a', 'bad:/* open']],
    ['a /*! open', ['word:a', 'word:open', 'bad:/*! open']],
    ["a 'open", ['word:a', "bad:'open"]],
    ["a 'open\\'", ['word:a', "bad:'open\\'"]],
    ['`open', ['bad:`open']],
    ['', []],
    [' \0\t', []],
  ])('of a mysql text: %s', (sql, tokens) => {
    expect(tokensOf(sql)).toEqual(tokens);
  });

  test.each<[string, string[]]>([
    ["'a\\' b", ["string:'a\\'", 'word:b']],
    ['"Q""q" a#b$', ['quoted:"Q""q"', 'word:a#b$']],
    ['1--2\n3', ['number:1', 'number:3']],
    ['/*! x */ y', ['word:y']],
  ])('of an oracle text: %s', (sql, tokens) => {
    expect(tokensOf(sql, 'oracle')).toEqual(tokens);
  });

  test('follow sql_mode', () => {
    const rules = lexicalRules('mysql', 'STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES,ansi_quotes');
    expect(tokensOf('\'a\\\' "b" # c', rules)).toEqual(["string:'a\\'", 'quoted:"b"']);
    expect(lexicalRules('mysql', '')).toEqual(rulesOf('mysql'));
    expect(lexicalRules('oracle', '')).toEqual(rulesOf('oracle'));
  });
});

test('string values', () => {
  const value = (raw: string, lexical: Lexical = 'mysql') => decodeString(raw, rulesOf(lexical));
  expect(value(String.raw`'a\'b\\\n\0\Z\%\_\q'''`)).toBe("a'b\\\n\0\x1a\\%\\_q'");
  expect(value(`"a""b''c'"`)).toBe(`a"b''c'`);
  expect(value(`'a""b'`)).toBe('a""b');
  expect(value(`n'x'`)).toBe('x');
  expect(value(String.raw`'a\n''b'`, 'oracle')).toBe("a\\n'b");
});

test('parameters are counted outside of strings and comments', () => {
  expect(countParameters("select ?, '?', `?` /* ? */ -- ?\n, ?", 'mysql')).toBe(2);
});
