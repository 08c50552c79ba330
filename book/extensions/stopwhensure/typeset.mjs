// Equations as drawings and as MathML: node typeset.mjs <folder of MathJax> < [{"tex", "display"}, ...] > [{"svg", "mml"} or {"error"}, ...]
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const folder = process.argv[2];
const require = createRequire(import.meta.url);
const MathJax = await require(`${folder}/node-main.js`).init({
  loader: { paths: { mathjax: folder }, load: ["input/tex-full", "output/svg", "adaptors/liteDOM"], versionWarnings: false, require },
  svg: { fontCache: "none" }, // no names in the drawings: one equation may stand twice in a page
  startup: { typeset: false },
});
const adaptor = MathJax.startup.adaptor;

function typeset({ tex, display }) {
  const mml = MathJax.tex2mml(tex, { display });
  const fault = /<merror[^>]*data-mjx-error="([^"]*)"/.exec(mml);
  return fault ? { error: fault[1] } : { mml, svg: adaptor.innerHTML(MathJax.tex2svg(tex, { display })) };
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(typeset)));
