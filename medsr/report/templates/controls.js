"use strict";
// The controls around the stage, the keys, and the words below it.
(async () => {
  const byId = (id) => document.getElementById(id);
  const settings = JSON.parse(byId("settings").textContent);
  const element = byId("stage");
  const AXES = ["left-right", "back-front", "foot-head"];
  const BLINK_MS = 700;
  const number = (v, digits = 4) => Number(v.toPrecision(digits)).toString();
  let stage, blinking = null, lastMap = Object.keys(settings.maps)[0];

  // ---- what is shown, in words --------------------------------------------------------------
  const titles = () => SIDES.map((side) => settings.titles[stage.state.images[side]]);
  const map = () => settings.maps[stage.state.map];
  const range = ([low, high]) => `${number(low, 3)} to ${number(high, 3)} ${settings.unit}`;

  function say() {
    const { window: [low, high], only, split, images } = stage.state;
    SIDES.forEach((side, i) => {
      byId("tag-" + side).textContent = titles()[i];
      byId("tag-" + side).hidden = only !== null && only !== side;
      byId("image-" + side).value = images[side];
    });
    byId("level").value = number((low + high) / 2);
    byId("width").value = number(high - low);
    byId("split").value = split;
    byId("low").textContent = number(low, 3);
    byId("high").textContent = `${number(high, 3)} ${settings.unit}`;
    byId("map").value = stage.state.map ?? "";
    byId("map-legend").hidden = !map();
    if (map()) {
      byId("map-ramp").src = map().ramp;
      byId("map-low").textContent = `${map().title}: ${number(map().range[0], 3)}`;
      byId("map-high").textContent = `${number(map().range[1], 3)} ${settings.unit}`;
      byId("map-words").textContent = map().words;
    }
    AXES.forEach((axis, i) => { byId("at-" + axis).value = stage.place()[i]; });
    byId("readout").value = readout();
  }

  function readout() {
    const found = stage.reading();
    const place = `${found.mm.map((v) => v.toFixed(1)).join(", ")} mm (right, front, head)`;
    const read = SIDES.map((side, i) => `${titles()[i]}: ${number(found[side])}`);
    if (map()) read.push(`${map().title}: ${number(found.map, 3)}`);
    return `${place} — ${read.join("; ")} ${settings.unit}`;
  }

  function legend() {
    const { only, window } = stage.state;
    const shown = only ? titles()[SIDES.indexOf(only)]
      : `${titles()[0]} left of the line, ${titles()[1]} right of it`;
    const lines = [`${shown}. Grey: ${range(window)}.`];
    if (map()) lines.push(`${map().title}, ${range(map().range)}. ${map().words}`);
    return [...lines, readout(),
      `medsr ${settings.version}. Research use only, not for diagnosis.`];
  }

  // ---- controls -----------------------------------------------------------------------------
  const on = (id, event, what) => byId(id).addEventListener(event, () => what(byId(id).value));

  function choices(id, entries) {
    for (const [value, text] of entries) byId(id).add(new Option(text, value));
  }

  function setLevel() {
    const level = Number(byId("level").value), width = Number(byId("width").value);
    if (width > 0) stage.setWindow(level - width / 2, level + width / 2);
  }

  function blink(wanted) {
    clearInterval(blinking);
    blinking = null;
    stage.showOnly(wanted ? "left" : null);
    if (wanted) {
      blinking = setInterval(() =>
        stage.showOnly(stage.state.only === "left" ? "right" : "left"), BLINK_MS);
    }
    byId("blink").setAttribute("aria-pressed", String(wanted));
  }

  function setMap(key) {
    lastMap = key || lastMap;
    return stage.setMap(key);
  }

  function connect() {
    for (const side of SIDES) {
      choices("image-" + side, Object.entries(settings.titles));
      on("image-" + side, "change", (key) => stage.setImage(side, key));
    }
    choices("contrast", settings.presets.map(([name], i) => [String(i), name]));
    on("contrast", "change", (i) => stage.setWindow(...settings.presets[Number(i)].slice(1)));
    choices("map", Object.entries(settings.maps).map(([key, { title }]) => [key, title]));
    on("map", "change", setMap);
    on("strength", "input", (percent) => stage.setStrength(Number(percent) / 100));
    for (const id of ["level", "width"]) on(id, "change", setLevel);
    on("planes", "change", stage.setPlanes);
    on("drag", "change", stage.setDrag);
    on("split", "input", (percent) => stage.setSplit(Number(percent)));
    AXES.forEach((axis, i) => on("at-" + axis, "input", (value) =>
      stage.moveTo(stage.place().map((v, k) => (k === i ? Number(value) : v)))));
    on("zoom-in", "click", () => stage.zoom(1.25));
    on("zoom-out", "click", () => stage.zoom(0.8));
    on("zoom-fit", "click", () => stage.zoom(0));
    on("blink", "click", () => blink(!blinking));
    on("download", "click", () => picture.save(stage, legend(), map() && byId("map-ramp")));
    [...element.querySelectorAll(".handle")].forEach(draggable);
  }

  function draggable(handle, index) {
    handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const [left, , wide] = stage.tiles()[index];
      const x = event.clientX - element.getBoundingClientRect().left;
      stage.setSplit((100 * (x - left)) / wide);
    });
  }

  // ---- keys and wheel -----------------------------------------------------------------------
  const KEYS = {
    ArrowUp: () => stage.moveSlice(1), ArrowDown: () => stage.moveSlice(-1),
    PageUp: () => stage.moveSlice(10), PageDown: () => stage.moveSlice(-10),
    ArrowLeft: () => stage.setSplit(stage.state.split - 2),
    ArrowRight: () => stage.setSplit(stage.state.split + 2),
    "+": () => stage.zoom(1.25), "=": () => stage.zoom(1.25), "-": () => stage.zoom(0.8),
    0: () => stage.zoom(0), b: () => blink(!blinking),
    m: () => setMap(stage.state.map ? "" : lastMap),
  };

  // Before NiiVue hears of it: its own keys only work while the mouse is over the picture.
  function listen() {
    element.addEventListener("keydown", (event) => {
      const action = event.ctrlKey || event.altKey || event.metaKey ? null : KEYS[event.key];
      if (!action) return;
      event.preventDefault();
      event.stopPropagation();
      action();
    }, { capture: true });
    // The wheel scrolls the page until the picture is clicked; with Ctrl, or a pinch, it zooms.
    element.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && element.contains(document.activeElement)) return;
      event.stopPropagation();
      if (!event.ctrlKey) return;
      event.preventDefault();
      stage.zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
    }, { capture: true, passive: false });
  }

  async function start() {
    if (!window.DecompressionStream || !document.createElement("canvas").getContext("webgl2")) {
      throw new Error("this browser has no WebGL 2 or cannot unpack gzip");
    }
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(await volumes.unpacked("niivue"));
    document.head.append(script);
    const scale = volumes.scaleOf(settings.window);
    stage = openStage(element, settings, await volumes.load(settings, scale), scale);
    connect();
    await stage.start(say);
    listen();
    window.medsrStage = stage;
    document.body.dataset.viewer = "ready";
  }

  try {
    await start();
  } catch (fault) {
    byId("look").querySelector(".live").hidden = true;
    byId("stills").open = true;
    const note = byId("no-viewer");
    note.hidden = false;
    note.querySelector("output").value = fault.message;
    document.body.dataset.viewer = "unavailable";
  }
})();
