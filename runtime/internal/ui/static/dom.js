'use strict';

// What the other scripts make the page of.

const meta = name => document.querySelector(`meta[name=${name}]`).content;
const $ = id => document.getElementById(id);

// element makes an element; an attribute that is false or undefined is left
// out, and so is a child that is undefined.
function element(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) e.setAttribute(name, '');
    else if (value !== false && value !== undefined) e.setAttribute(name, value);
  }
  e.append(...children.filter(child => child !== undefined));
  return e;
}

const faint = (...children) => element('span', { class: 'faint' }, ...children);
