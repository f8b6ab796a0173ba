// The demo shop's cart and checkout. What a real shop would add for Touchline are
// the three calls of touchline() below, and nothing else.
(() => {
  'use strict';
  const cart = new Map(); // sku -> {name, price, quantity}
  const find = (id) => document.getElementById(id);
  const kroner = (n) => `${n} kr`;
  const total = () => [...cart.values()].reduce((sum, line) => sum + line.price * line.quantity, 0);

  function show() {
    const lines = [...cart.values()].map((line) => {
      const item = document.createElement('li');
      item.textContent = `${line.quantity} × ${line.name}, ${kroner(line.price * line.quantity)}`;
      return item;
    });
    if (lines.length === 0) {
      const empty = document.createElement('li');
      empty.className = 'empty';
      empty.textContent = 'It is empty.';
      lines.push(empty);
    }
    find('lines').replaceChildren(...lines);
    find('total').textContent = kroner(total());
    find('count').textContent = [...cart.values()].reduce((sum, line) => sum + line.quantity, 0);
    find('buy').disabled = cart.size === 0;
  }

  for (const button of document.querySelectorAll('button[data-sku]')) {
    button.addEventListener('click', () => {
      const { sku, name, price } = button.dataset;
      const line = cart.get(sku) || { name, price: Number(price), quantity: 0 };
      line.quantity += 1;
      cart.set(sku, line);
      find('thanks').hidden = true;
      touchline('track', 'Product Added', { sku, price: line.price, currency: 'NOK' });
      show();
    });
  }

  find('order').addEventListener('submit', (event) => {
    event.preventDefault();
    if (cart.size === 0) return;
    const fields = new FormData(event.target);
    const who = {};
    for (const name of ['email', 'phone']) {
      const value = String(fields.get(name) || '').trim();
      if (value) who[name] = value;
    }
    if (Object.keys(who).length > 0) touchline('identify', who);
    const order = `web-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
    touchline('track', 'Order Completed', { order_id: order, value: `${total()}.00`, currency: 'NOK' });
    cart.clear();
    show();
    find('thanks').textContent = `Thank you! Order ${order} is placed. Look for it in the attribution table.`;
    find('thanks').dataset.order = order;
    find('thanks').hidden = false;
  });

  show();
})();
