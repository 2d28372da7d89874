// Draw on the canvas with mouse, finger or pen; only in the browser.
const pen = { color: "#1d2129", width: 14 };
function sketch(event) {
  if (!event.buttons) return;
  const [canvas, ink] = [event.target, event.target.getContext("2d")];
  const box = canvas.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * canvas.width;
  const y = ((event.clientY - box.top) / box.height) * canvas.height;
  if (event.type === "pointerdown") {
    canvas.setPointerCapture(event.pointerId);
    ink.beginPath();
    ink.moveTo(x, y);
  }
  Object.assign(ink, { strokeStyle: pen.color, lineWidth: pen.width, lineCap: "round", lineJoin: "round" });
  ink.lineTo(x, y);
  ink.stroke();
}
function clearSketch() {
  const canvas = document.querySelector("canvas.picture");
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}
