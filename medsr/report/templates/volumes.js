"use strict";
// The images and maps that are packed into this page, as NIfTI files for NiiVue.
const volumes = (() => {
  async function unpacked(id) {
    const text = atob(document.getElementById(id).textContent.trim());
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  // A NIfTI-1 file: data type at byte 70, bits at 72, slope and intercept at 112 and 116.
  function voxels(file) {
    const type = new DataView(file).getInt16(70, true);
    return type === 2 ? new Uint8Array(file, 352) : new Uint16Array(file, 352);
  }

  // Voxels are stored as differences to the mean of the two before them (see embed.py).
  async function stored(key) {
    const file = await unpacked("volume-" + key);
    const head = new DataView(file), v = voxels(file);
    const nx = head.getInt16(42, true), ny = head.getInt16(44, true);
    for (let row = 0; row < v.length / nx; row++) {
      if (row % ny === 0) continue;
      for (let i = row * nx + 1; i < (row + 1) * nx; i++) v[i] += (v[i - 1] + v[i - nx]) >> 1;
    }
    return file;
  }

  function values(file) {
    const head = new DataView(file);
    const slope = head.getFloat32(112, true), intercept = head.getFloat32(116, true);
    return Float32Array.from(voxels(file), (v) => v * slope + intercept);
  }

  function difference(a, b) {
    const x = values(a), y = values(b);
    const file = new ArrayBuffer(352 + 4 * x.length);
    new Uint8Array(file).set(new Uint8Array(a, 0, 352));
    const head = new DataView(file), out = new Float32Array(file, 352);
    head.setInt16(70, 16, true); // float32
    head.setInt16(72, 32, true);
    head.setFloat32(112, 1, true);
    head.setFloat32(116, 0, true);
    for (let i = 0; i < x.length; i++) out[i] = x[i] - y[i];
    return file;
  }

  // NiiVue's mouse keeps a window at least 1 wide, which is everything in a scan of 0 to 1. So the
  // viewer works in units of 1 / scale of the scan's.
  function scaleOf([low, high]) {
    return 10 ** Math.max(0, Math.ceil(2 - Math.log10(high - low)));
  }

  function scaled(file, scale) {
    const head = new DataView(file);
    for (const byte of [112, 116]) {
      head.setFloat32(byte, head.getFloat32(byte, true) * scale, true);
    }
    return file;
  }

  // Key -> NIfTI file of every image and map, in units of 1 / scale.
  async function load(settings, scale) {
    const files = {};
    for (const key of Object.keys(settings.titles)) {
      files[key] = scaled(await stored(key), scale);
    }
    for (const [key, map] of Object.entries(settings.maps)) {
      const [a, b] = map.madeOf;
      files[key] = a ? difference(files[a], files[b]) : scaled(await stored(key), scale);
    }
    return files;
  }

  return { load, scaleOf, unpacked };
})();
