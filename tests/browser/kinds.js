// What axe-core's rule of contrast says of every text of a page, asked about one text of each kind.
//
// Of a text the rule reads how its letters are drawn, and from the middle of each of its lines outwards how its ancestors are blended
// and which of their backgrounds lie there. Where all of that is equal, so is the verdict: such texts are one kind. A background that
// is no ancestor's, something laid over or under a text, makes a text a kind of its own. Where axe cannot say, it is asked about all
// of the kind.

const LETTERS = ["color", "-webkit-text-fill-color", "-webkit-text-stroke", "text-shadow", "font-size", "font-weight"];
const BLENDING = ["opacity", "mix-blend-mode", "filter", "z-index"], PLAIN = "1 normal none auto";
const BEHIND = ["background-color", "background-image", "background-clip"];
const FIELDS = `select, textarea, input:not(${["hidden", "range", "color", "checkbox", "radio", "image"].map((type) => `[type=${type}]`)})`;
const PICTURES = "img, svg, canvas, video, iframe, object";
const READABLE = /[^\s\u{10000}-\u{10ffff}]/u;     // of letters beyond the first 65,536 axe says nothing
const SHOWN = { visibilityProperty: true, opacityProperty: true }, CLIPPED = /rect\((.+), \1, \1, \1\)/;

const read = (style, names) => names.map((name) => style.getPropertyValue(name)).join(" ");
const once = (make, known = new Map()) => (key) => known.has(key) ? known.get(key) : known.set(key, make(key)).get(key);
const isRoot = (element) => element === document.body || element === document.documentElement;
const middle = ({ left, right, top, bottom }) => [(left + right) / 2, (top + bottom) / 2];
const isOn = ([x, y]) => ({ left, right, top, bottom }) =>
  Math.floor(left) <= Math.floor(x) && Math.floor(x) < Math.floor(right) && Math.floor(top) <= Math.floor(y) && Math.floor(y) < Math.floor(bottom);
const overlap = (a, b) => ({
  left: Math.max(a.left, b.left), right: Math.min(a.right, b.right), top: Math.max(a.top, b.top), bottom: Math.min(a.bottom, b.bottom),
});

/** Not moved out to the left of the page or above it. */
function isOnPage(element) {
  const { right, bottom } = element.getBoundingClientRect();
  return right + scrollX > 0 && bottom + scrollY > 0;
}

function withAncestors(element) {
  const found = [];
  for (let it = element; it; it = it.parentElement) found.push(it);
  return found;
}

/** How an element and all in it is laid on what is behind it; "" where nothing shines through. */
function blendingOf(element) {
  const blending = read(getComputedStyle(element), BLENDING);
  return blending === PLAIN ? "" : blending;
}

/** An element's background; "" where it has none. */
function backgroundOf(element) {
  const style = getComputedStyle(element);
  return style.backgroundColor === "rgba(0, 0, 0, 0)" && style.backgroundImage === "none" ? "" : read(style, BEHIND);
}

/** Whether there is more in a box than it shows, and one can scroll there. */
function isScroller(element) {
  const { overflowX, overflowY } = getComputedStyle(element), more = ["auto", "scroll"];
  return !isRoot(element) && ((element.scrollWidth > element.clientWidth && more.includes(overflowX))
    || (element.scrollHeight > element.clientHeight && more.includes(overflowY)));
}

/** The lines of an element's own letters, as far as none of these boxes cuts them off; of a field its own box. */
function linesOf(element, cutting) {
  if (element.matches(FIELDS)) return [element.getBoundingClientRect()];
  const range = document.createRange(), lines = [];
  for (const node of element.childNodes) {
    if (node.nodeType !== Node.TEXT_NODE || !READABLE.test(node.data)) continue;
    range.selectNodeContents(node);
    lines.push(...range.getClientRects());
  }
  const shown = lines.map((line) => cutting.reduce(overlap, line)).filter((line) => line.right - line.left >= 1 && line.bottom - line.top >= 1);
  return shown.length || !lines.length ? shown : [element.getBoundingClientRect()];
}

/** Kind -> its texts, in the order of the page; without those that axe never judges: hidden, clipped away, in a picture. */
function kindsOfText() {
  const up = once(withAncestors), boxes = once((it) => [...it.getClientRects()]), background = once(backgroundOf);
  const blending = once(blendingOf), clipped = once((it) => CLIPPED.test(getComputedStyle(it).clip));
  const scrolls = once(isScroller), scroller = once((it) => up(it).slice(1).find(scrolls));
  const hiding = once((it) => getComputedStyle(it).overflow === "hidden" ? [it.getBoundingClientRect()] : []);
  const shown = [...document.querySelectorAll("body, body *")].filter((it) => it.checkVisibility(SHOWN) && isOnPage(it));
  const painted = shown.filter((it) => !isRoot(it) && (it.matches(PICTURES) || background(it)));
  const paintedIn = once((within) => painted.filter((it) => scroller(it) === within));
  const kinds = new Map();

  // From a line outwards; what scrolls is taken for the middle of its scroller, wherever it was scrolled to.
  function floors(element, line) {
    const within = scroller(element), upTo = within ? up(element).indexOf(within) : Infinity;
    const here = { within, place: middle(line), ancestors: up(element).slice(0, upTo) };
    return within ? [here, ...floors(within, within.getBoundingClientRect())] : [here];
  }

  for (const element of shown) {
    if (up(element).some((it) => it.matches(PICTURES) || clipped(it))) continue;
    const lines = linesOf(element, up(element).flatMap(hiding)).map((line) => floors(element, line));
    if (!lines.length) continue;
    const layer = (place) => (it) => blending(it) + (isRoot(it) || boxes(it).some(isOn(place)) ? background(it) : "");
    const behind = (line) => line.flatMap(({ place, ancestors }) => ancestors.map(layer(place))).filter(Boolean).join(" / ");
    const isStranger = (place) => (it) => boxes(it).some(isOn(place)) && !it.contains(element);
    const hasStranger = lines.flat().some(({ within, place }) => paintedIn(within).some(isStranger(place)));
    const kind = [read(getComputedStyle(element), LETTERS), element.matches(FIELDS) ? element.tagName : "",
      ...new Set(lines.map(behind)), hasStranger ? `alone ${kinds.size}` : ""].join(" | ");
    kinds.set(kind, [...(kinds.get(kind) ?? []), element]);
  }
  return kinds;
}

/** axe's verdicts: element -> what is wrong with it, "" where nothing is. An element that it cannot judge is not there. */
async function judged(elements) {
  for (const element of elements) element.dataset.asked = "";
  axe.configure({ rules: [{ id: "color-contrast", selector: "[data-asked]" }] });
  const { violations, passes } = await axe.run(document, { preload: false, elementRef: true, runOnly: ["color-contrast"] });
  for (const element of elements) delete element.dataset.asked;
  const nodes = (rules) => rules.flatMap((rule) => rule.nodes).map(({ element, any: [check] }) => [element, check]);
  const measured = nodes(passes).filter(([, { data }]) => data?.contrastRatio);
  return new Map([...measured.map(([element]) => [element, ""]), ...nodes(violations).map(([element, { message }]) => [element, message])]);
}

/** Verdicts of kinds that are not known yet, and what is wrong on this page: [kind -> verdict, [[what, where]]]. */
async function contrastOfKinds(known) {
  for (const animation of document.getAnimations()) animation.finish();
  const kinds = kindsOfText(), verdicts = new Map(Object.entries(known));
  for (const most of [1, Infinity]) {
    const open = [...kinds].filter(([kind]) => !verdicts.has(kind));
    if (!open.length) break;
    const said = await judged(open.flatMap(([, texts]) => texts.slice(0, most)));
    for (const [kind, texts] of open) {
      const found = texts.filter((text) => said.has(text)).map((text) => said.get(text));
      if (found.length) verdicts.set(kind, found.find(Boolean) ?? "");
    }
  }
  const wrong = [...kinds].filter(([kind]) => verdicts.get(kind)).map(([kind, [first]]) => [verdicts.get(kind), first.outerHTML.slice(0, 200)]);
  return [Object.fromEntries([...verdicts].filter(([kind]) => !(kind in known) && !kind.includes("| alone "))), wrong];
}
