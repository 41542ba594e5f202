// The page "Rooms" of the console. `sdk` is described in docs/console.md.

const TEXTS = {
  en: { empty: "There are no rooms yet.", name: "Name", seats: "Seats", add: "Add a room", added: "The room was added." },
  de: { empty: "Es gibt noch keine Räume.", name: "Name", seats: "Plätze", add: "Raum hinzufügen", added: "Der Raum wurde hinzugefügt." },
};
const ROOMS = "/app/ext/example/rooms";

export default async function show(element, sdk) {
  const t = TEXTS[sdk.locale] ?? TEXTS.en;
  const list = create("ul", { className: "uc-card uc-list" });

  const load = async () => {
    const { items } = await sdk.request("GET", ROOMS, { query: { sort: "name", limit: 100 } });
    const rows = items.map(({ name, seats }) => create("li", {}, name, create("span", { className: "uc-quiet" }, `${seats} ${t.seats}`)));
    list.replaceChildren(...(rows.length > 0 ? rows : [create("li", { className: "uc-quiet" }, t.empty)]));
  };

  await load();
  element.append(list);
  if (sdk.can("rooms:write")) element.append(createForm(t, sdk, load));
}

function createForm(t, sdk, load) {
  const name = create("input", { name: "name", required: true, maxLength: 100 });
  const seats = create("input", { name: "seats", type: "number", min: 1, max: 1000, value: 4 });
  const form = create(
    "form",
    { className: "uc-card uc-form" },
    create("label", {}, t.name, name),
    create("label", {}, t.seats, seats),
    create("button", { className: "uc-button" }, t.add),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await sdk.request("POST", ROOMS, { body: { name: name.value, seats: seats.valueAsNumber } });
      name.value = "";
      sdk.showMessage(t.added);
      await load();
    } catch (error) {
      sdk.showError(error); // what was typed stays
    }
  });
  return form;
}

/** Returns an element. Its children are text or elements: nothing is parsed as HTML. */
function create(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
