/*
 * A host for anywidgets on a static page: no kernel, no module loader, no network.
 *
 * stopwhensure/live_widgets.py leaves in the page a box for each view: <div class="afm"> with a still view and the
 * model's id, and the style sheet of both views; and before this script, in a file beside the page, the state of
 * every widget, as window.widgetModels.
 * This script gives each box that comes near the window a live view in place of the still one, which the same
 * module drew when the book was built: the same elements, so that nothing moves.
 *
 * It is a classic script and imports modules from blob: addresses, because a page that was opened from a
 * folder (file://) may neither load a module by its address nor fetch anything.
 */
(() => {
  "use strict";

  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const NEAR_THE_WINDOW = "400px";

  // What a Bytes trait is in Jupyter as well: a DataView.
  function decodeBase64(text) {
    const characters = atob(text);
    const bytes = new Uint8Array(characters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
    return new DataView(bytes.buffer);
  }

  // A copy of a widget's state with its binary traits put back where they were cut out.
  function stateOf(record) {
    const state = { ...record.state };
    for (const { path, data } of record.buffers ?? []) {
      const last = path.length - 1;
      const owner = path.slice(0, last).reduce((place, key) => place[key], state);
      owner[path[last]] = decodeBase64(data);
    }
    return state;
  }

  // The part of Jupyter's model that our explorers keep to.
  class Model {
    #state;
    #listeners = [];

    constructor(record) {
      this.#state = stateOf(record);
    }

    get(name) {
      return this.#state[name];
    }

    set(name, value) {
      if (typeof name === "object") {
        for (const [each, its] of Object.entries(name)) this.set(each, its);
        return;
      }
      if (this.#state[name] === value) return;
      this.#state[name] = value;
      this.#tell(`change:${name}`, value);
      this.#tell("change", undefined);
    }

    // There is no kernel to save to or to talk with.
    save_changes() {}
    send() {}

    // Names may stand together, as in "change:theta change:score".
    on(names, listener, context) {
      for (const name of names.split(/\s+/)) this.#listeners.push({ name, listener, context });
    }

    off(names, listener, context) {
      const wanted = names ? names.split(/\s+/) : null;
      this.#listeners = this.#listeners.filter(
        (entry) =>
          (wanted && !wanted.includes(entry.name)) ||
          (listener && listener !== entry.listener) ||
          (context && context !== entry.context),
      );
    }

    #tell(name, value) {
      // A copy: a listener may take itself off while it is told.
      for (const entry of [...this.#listeners]) {
        if (entry.name === name) entry.listener.call(entry.context, this, value);
      }
    }
  }

  const records = window.widgetModels; // model id -> { state, buffers }
  const models = new Map(); // model id -> Model: two views of one model share it
  const modules = new Map(); // source text -> promise of the module's widget
  const prepared = new Map(); // model id -> promise that initialize() has run
  const cleanUps = [];

  function modelOf(id) {
    if (!models.has(id)) models.set(id, new Model(records[id]));
    return models.get(id);
  }

  function moduleOf(source) {
    if (!modules.has(source)) {
      const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      const widget = import(address).then(({ default: made }) => (typeof made === "function" ? made() : made));
      modules.set(source, widget);
    }
    return modules.get(source);
  }

  function prepare(id, widget, model) {
    if (!prepared.has(id)) {
      prepared.set(
        id,
        (async () => {
          const cleanUp = await widget.initialize?.({ model });
          if (typeof cleanUp === "function") cleanUps.push(cleanUp);
        })(),
      );
    }
    return prepared.get(id);
  }

  // Between two pieces of work, so that a phone answers its reader in between.
  const nextTask = () => new Promise((done) => setTimeout(done));

  // The folds as a reader left them in the still view, and the focus where it was: nothing else in it takes any.
  function takeOver(folds, focused, place) {
    const now = place.querySelectorAll("details");
    folds.forEach((fold, i) => {
      if (!now[i]) return;
      now[i].open = fold.open;
      if (fold.contains(focused)) now[i].querySelector("summary").focus({ preventScroll: true });
    });
  }

  function showFailure(box, error) {
    const note = document.createElement("p");
    note.className = "afm-error";
    note.setAttribute("role", "alert");
    note.textContent = `This interactive figure could not start (${error.message}); its default state is shown.`;
    box.append(note);
    box.dataset.view = "failed";
    console.error(error);
  }

  async function mount(box, id) {
    const still = box.querySelector(".afm-still");
    const place = document.createElement("div");
    place.className = "afm-live";
    try {
      const model = modelOf(id);
      const widget = await moduleOf(model.get("_esm"));
      await nextTask();
      await prepare(id, widget, model);
      await nextTask();
      // From here to render() nothing waits, so that the reader never sees two views, or none.
      const focused = document.activeElement;
      if (still) still.hidden = true;
      box.append(place);
      const cleanUp = await widget.render?.({ model, el: place });
      if (typeof cleanUp === "function") cleanUps.push(cleanUp);
      takeOver(still?.querySelectorAll("details") ?? [], focused, place);
      still?.remove();
      box.dataset.view = "live";
    } catch (error) {
      place.remove();
      if (still) still.hidden = false;
      showFailure(box, error);
    }
  }

  // A box mounts when it comes near, or at once when a link in the address may be meant for it.
  function mountLazily(waiting) {
    const mountNow = (box) => {
      const id = waiting.get(box);
      if (!waiting.delete(box)) return;
      watcher?.unobserve(box);
      mount(box, id);
    };
    const mountAll = () => [...waiting.keys()].forEach(mountNow);
    const watcher =
      "IntersectionObserver" in window
        ? new IntersectionObserver(
            (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => mountNow(entry.target)),
            { rootMargin: NEAR_THE_WINDOW },
          )
        : null;
    const namesAState = () => location.hash.includes("?");
    addEventListener("hashchange", () => namesAState() && mountAll());
    if (!watcher || namesAState()) mountAll();
    for (const box of waiting.keys()) watcher.observe(box);
  }

  function start() {
    const waiting = new Map();
    for (const view of document.querySelectorAll(`.afm > ${VIEW}`)) {
      waiting.set(view.parentElement, JSON.parse(view.textContent).model_id);
    }
    mountLazily(waiting);
    addEventListener("pagehide", (event) => {
      // A page that is kept for the way back keeps its views.
      if (!event.persisted) cleanUps.splice(0).forEach((cleanUp) => cleanUp());
    });
  }

  // The script may be here before the page is whole.
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
