// Calls made before the pixel has loaded wait in a queue.
window.touchline = window.touchline || function () { (touchline.q = touchline.q || []).push(arguments); };
