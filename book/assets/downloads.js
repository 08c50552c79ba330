/*
 * A page's notebook, saved from a folder too: there a browser opens a linked file instead of saving it, and may not fetch it.
 * The same text lies beside it as a script (stopwhensure/pages.py), which may be loaded.
 */
(() => {
  "use strict";

  function save(name, text) {
    const address = URL.createObjectURL(new Blob([text], { type: "application/x-ipynb+json" }));
    Object.assign(document.createElement("a"), { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  addEventListener("click", (event) => {
    const link = event.target.closest?.('a[download$=".ipynb"]');
    if (!link || location.protocol !== "file:") return;
    event.preventDefault();
    const script = Object.assign(document.createElement("script"), { src: `${link.href}.js` });
    script.addEventListener("load", () => save(link.download, globalThis.notebookText));
    document.head.append(script);
  });
})();
