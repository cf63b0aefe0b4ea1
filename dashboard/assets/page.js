// What the page does without asking the server: address, theme, brushes reduced to their outline, pictures.
"use strict";

(function () {
  const unchanged = () => window.dash_clientside.no_update;

  function apply(query) {
    const fields = new URLSearchParams(query);
    const theme = fields.get("theme") || "light";
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme-button");
    if (button) button.textContent = theme === "dark" ? "Light" : "Dark";
    const page = fields.get("page") || "trade-off";
    document.documentElement.dataset.page = page;
    document.documentElement.dataset.depth = (fields.get("z") || "none") === "none" ? "2" : "3";
    let moved = false;
    const wide = document.getElementById("wide");
    if (wide) wide.hidden = page !== "trade-off";
    for (const name of ["trade-off", "flip", "insight"]) {
      const part = document.getElementById(name + "-page");
      if (part && part.hidden !== (name !== page)) {
        part.hidden = name !== page;
        moved = true;
      }
    }
    // figures that were laid out while hidden have no size yet
    if (moved) window.setTimeout(() => window.dispatchEvent(new Event("resize")), 0);
  }

  // What Dash's own elements lack for a screen reader: names of slider handles, radio buttons that are a list box
  // of buttons, and a hidden field that takes the focus.
  function mend() {
    for (const handle of document.querySelectorAll("[role=slider]")) {
      const group = handle.closest("[role=group][aria-label]");
      if (!group) continue;
      const both = group.querySelectorAll("[role=slider]");
      const end = both.length < 2 ? "" : handle === both[0] ? ", lowest" : ", highest";
      handle.setAttribute("aria-label", group.getAttribute("aria-label") + end);
    }
    for (const list of document.querySelectorAll(".dash-options-list.dash-radioitems, .dash-options-list.dash-checklist")) {
      if (list.getAttribute("role") === "group") continue;
      list.setAttribute("role", "group");
      list.setAttribute("aria-label", list.id === "page-choice" ? "Page" : list.id === "log" ? "Logarithmic axes" : "Points");
    }
    for (const option of document.querySelectorAll(".dash-options-list label[role=option]")) {
      if (!option.querySelector("input")) continue;
      option.removeAttribute("role");
      option.removeAttribute("aria-selected");
    }
    for (const field of document.querySelectorAll(".dash-dropdown-focus-target[tabindex='0']")) field.tabIndex = -1;
  }
  let waiting = 0;
  new MutationObserver(() => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(mend, 50);
  }).observe(document.documentElement, { childList: true, subtree: true });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    page: {
      start(search) {
        const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
        document.documentElement.dataset.theme =
          new URLSearchParams(search).get("theme") || (dark ? "dark" : "light");
        return { search: search || "", theme: dark ? "dark" : "light" };
      },

      address(query) {
        if (query === undefined || query === null) return unchanged();
        apply(query);
        window.history.replaceState(null, "", query ? "?" + query : window.location.pathname);
        return query;
      },

      click(front, flip) {
        const event = window.dash_clientside.callback_context.triggered_id === "flip" ? flip : front;
        const point = event && event.points && event.points[0];
        if (!point || !Number.isInteger(point.customdata)) return unchanged();
        return { trial: point.customdata };
      },

      // a brush arrives with every point in it; its outline says the same in a hundred bytes
      brush(event) {
        if (event === undefined) return unchanged();
        if (!event) return { none: true };
        if (event.range && event.range.x) return { box: [event.range.x, event.range.y] };
        if (event.lassoPoints && event.lassoPoints.x) {
          const step = Math.ceil(event.lassoPoints.x.length / 40);
          const thin = (values) => values.filter((_, index) => index % step === 0);
          return { lasso: [thin(event.lassoPoints.x), thin(event.lassoPoints.y)] };
        }
        return unchanged();
      },

      // the ranges that the user has zoomed to, so that a new drawing has them too
      zoom(change, before) {
        const graph = document.querySelector("#front .js-plotly-plot");
        if (!change || !graph || !graph.layout) return unchanged();
        const of = graph.layout.uirevision;
        const zoom = before && before.of === of ? Object.assign({}, before) : { of };
        for (const axis of ["x", "y"]) {
          const name = axis + "axis";
          if (name + ".range[0]" in change) zoom[axis] = [change[name + ".range[0]"], change[name + ".range[1]"]];
          else if (name + ".range" in change) zoom[axis] = change[name + ".range"];
          else if (change[name + ".autorange"]) delete zoom[axis];
        }
        return zoom;
      },

      async refill() {
        try {
          const grid = await window.dash_ag_grid.getApiAsync("table");
          grid.refreshInfiniteCache();
        } catch (error) {
          // the table has not been built yet; it asks for its rows itself when it is
        }
        return unchanged();
      },

      async copy(clicks) {
        if (!clicks) return unchanged();
        try {
          await navigator.clipboard.writeText(window.location.href);
          return "Copied";
        } catch (error) {
          return "Copy it from the address bar";
        }
      },

      picture() {
        const button = window.dash_clientside.callback_context.triggered_id;
        const graph = document.querySelector("#front .js-plotly-plot");
        if (!graph || !button) return unchanged();
        const paper = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
        const before = graph.layout.paper_bgcolor;
        graph.layout.paper_bgcolor = paper;
        window.Plotly.downloadImage(graph, {
          format: button, filename: "codesign-trade-off", width: graph.clientWidth, height: graph.clientHeight, scale: 2,
        }).finally(() => { graph.layout.paper_bgcolor = before; });
        return unchanged();
      },
    },
  });
})();
