/*
 * Numbers as people type them, read as dtsnn_lite/classroom/typed.py reads them: 3012, 3,012, 3 012 images, 1,5, 30 %, 1/3.
 * Where a comma or a percent sign leaves it open there are two readings, the likelier one first.
 */
(() => {
  "use strict";

  const BLANKS = /[\t-\r \u00a0\u2000-\u200a\u202f\u3000]+/g;
  const FULL_WIDTH = /[\uff01-\uff5e]/g;
  const SIGNS = { "\u2212": "-", "\u2019": "'", "\u00b5": "\u03bc" }; // minus, apostrophe, micro
  const SIGNED = "([+-]?) *([0-9.,' ]*[0-9][.,]?)(?:[eE]([+-]?[0-9]+))?";
  const TYPED = new RegExp(`^[~\u2248=]? *${SIGNED}(?: */ *${SIGNED})? *([^0-9]*)$`);
  // How the digits of a number stand, and what stands between its thousands; a comma that is left is a decimal point.
  const WAYS = [
    [/^[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?$/, ","],
    [/^[1-9][0-9]{0,2}(?:[ '][0-9]{3})+(?:[.,][0-9]*)?$/, " '"],
    [/^[1-9][0-9]{0,2}(?:\.[0-9]{3})+,[0-9]*$/, "."],
    [/^[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}$/, "."],
    [/^(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)$/, ""],
  ];
  const PERCENT = /^(?:%|per ?cent\b)/;
  const WORDS = new Map([["k", 1e3], ["thousand", 1e3], ["million", 1e6]]);
  const SI = /^([pnu\u03bcmkMG]?)(s|J|Hz)$/;
  const PREFIXES = { p: -12, n: -9, u: -6, "\u03bc": -6, m: -3, "": 0, k: 3, M: 6, G: 9 };

  const signs = (text) => text.replace(/[\u2212\u2019\u00b5]/g, (letter) => SIGNS[letter]);

  // What digits with marks between them may be: "3,012" is 3012 or 3.012, "0,125" is 0.125 alone.
  function digits(body) {
    const found = WAYS.filter(([form]) => form.test(body.trim()));
    return found.map(([, marks]) => [...body.trim()].filter((letter) => !marks.includes(letter)).join("").replace(",", "."));
  }

  // What a typed unit makes of its number, in the unit asked for: "%" is 1/100 of a whole, "ms" is 1000 of "us".
  function factors(unit, asked) {
    if (PERCENT.test(unit)) return { "%": [1], points: [1], "": [1, 0.01] }[asked] ?? [0.01];
    const word = unit.split(" ")[0].replace(/[.,;!?]+$/, "");
    const given = SI.exec(word), wanted = SI.exec(signs(asked));
    if (given && wanted && given[2] === wanted[2]) return [Number(`1e${PREFIXES[given[1]] - PREFIXES[wanted[1]]}`)];
    return [WORDS.get(word) ?? 1];
  }

  // The numbers that a reader may have meant, in the unit asked for; none where it is no number.
  function readings(text, asked = "") {
    const plain = signs(text.replace(FULL_WIDTH, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0xfee0)));
    const match = TYPED.exec(plain.replace(BLANKS, " ").trim());
    if (!match) return [];
    const part = ([sign, body, power]) => (body ? digits(body).map((one) => Number(`${sign}${one}e${power ?? 0}`)) : [1]);
    const found = part(match.slice(1, 4)).flatMap((top) =>
      part(match.slice(4, 7)).flatMap((bottom) => (bottom ? factors(match[7], asked).map((factor) => (top / bottom) * factor) : [])));
    return [...new Set(found.filter(Number.isFinite))];
  }

  globalThis.Typed = { readings };
})();
