/*
 * Python beside the page: a classic worker, made from a Blob, so that it also runs where the page was opened from a folder.
 *
 * in    {start: {name: base64, ...}, packed: [".zip", ...]}      the parts, once
 *       {files: {path: base64, ...}}                             recordings of the package
 *       {run: id, label, source}                                 a cell
 * out   {step: words}  {shown: id, kind, text}  {ran: id, error}  {ready: true}  {broken: words}
 */
"use strict";

const HOME = "/home/pyodide";
const NOWHERE = "https://python.invalid/"; // what the runtime asks for by address is answered from the table
const table = new Map();
let python = null;
let session = null;
let current = null;

function bytesOf(base64) {
  const letters = atob(base64);
  const bytes = new Uint8Array(letters.length);
  for (let n = 0; n < letters.length; n += 1) bytes[n] = letters.charCodeAt(n);
  return bytes;
}

async function unpacked(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function fill(parts, packed) {
  for (const [name, base64] of Object.entries(parts)) {
    const bytes = bytesOf(base64);
    table.set(name, packed.some((end) => name.endsWith(end)) ? bytes : await unpacked(bytes));
  }
}

self.fetch = async (asked) => {
  const name = String(asked.url ?? asked).split("/").pop();
  if (!table.has(name)) throw new TypeError(`${name} is no part of this page`);
  const type = name.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
  return new Response(table.get(name), { headers: { "Content-Type": type } });
};

function runScript(name) {
  const address = URL.createObjectURL(new Blob([table.get(name)], { type: "text/javascript" }));
  importScripts(address);
  URL.revokeObjectURL(address);
}

function show(kind, text) {
  postMessage({ shown: current, kind, text });
}

async function start(parts, packed) {
  postMessage({ step: "unpacking" });
  await fill(parts, packed);
  postMessage({ step: "starting Python" });
  runScript("pyodide.asm.js"); // first: the runtime would load it by an import, which fails in a page from a folder
  runScript("pyodide.js");
  python = await loadPyodide({ indexURL: NOWHERE, env: { HOME } });
  postMessage({ step: "loading numpy" });
  await python.loadPackage(Object.keys(JSON.parse(new TextDecoder().decode(table.get("pyodide-lock.json"))).packages), { messageCallback() {} });
  python.unpackArchive(table.get("own.zip"), "zip", { extractDir: HOME });
  table.clear();
  session = python.runPython(`
import json, sys
sys.path.insert(0, "${HOME}")
import numpy, shore
lambda show: shore.Session(show, json.load(open("${HOME}/shapes.json")))
`)(show);
  postMessage({ ready: true });
}

function write(files) {
  for (const [path, base64] of Object.entries(files)) {
    const place = `${HOME}/dtsnn_lite/${path}`;
    python.FS.mkdirTree(place.slice(0, place.lastIndexOf("/")));
    python.FS.writeFile(place, bytesOf(base64));
  }
}

function run({ run: id, label, source }) {
  current = id;
  const error = session.run(source, label);
  postMessage({ ran: id, error });
}

let queue = Promise.resolve();

self.onmessage = ({ data }) => {
  queue = queue
    .then(() => (data.start ? start(data.start, data.packed) : data.files ? write(data.files) : run(data)))
    .catch((error) => postMessage({ broken: String(error.message ?? error) }));
};
