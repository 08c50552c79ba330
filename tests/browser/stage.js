// A stand-in for Jupyter's model: the same four calls, and a record of what was asked.
class StageModel {
  constructor(state) { this.state = state; this.listeners = []; this.saved = 0; }
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; this.tell(`change:${name}`); }
  save_changes() { this.saved += 1; }
  on(name, listener) { this.listeners.push([name, listener]); }
  off(name, listener) { this.listeners = this.listeners.filter(([n, l]) => n !== name || l !== listener); }
  tell(name) { for (const [n, listener] of [...this.listeners]) if (n === name) listener(); }
}

// Bytes arrive as in Jupyter: a DataView at an odd offset of a larger buffer.
function unboxed(value) {
  if (!value?.base64 && value?.base64 !== "") return value;
  const letters = atob(value.base64), bytes = new Uint8Array(letters.length + 1);
  for (let i = 0; i < letters.length; i++) bytes[i + 1] = letters.charCodeAt(i);
  return new DataView(bytes.buffer, 1);
}

const MODELS = [], MODULE = [], CLEANUPS = [];
(async () => {
  for (const [i, state] of STATES.entries()) {
    const model = new StageModel(Object.fromEntries(Object.entries(state).map(([name, value]) => [name, unboxed(value)])));
    const made = await import(URL.createObjectURL(new Blob([MODULES[i]], { type: "text/javascript" })));
    MODELS.push(model);
    MODULE.push(made);
    await made.default.initialize?.({ model });
    CLEANUPS.push(await made.default.render({ model, el: document.getElementById(`live${i}`) }));
  }
})().catch((error) => console.error(error)).finally(() => { window.ready = true; });
