"use strict";

const list = document.getElementById("list");
const deleteAll = document.getElementById("delete-all");

const showLocalTimes = () => {
  for (const time of document.querySelectorAll("time")) {
    const when = new Date(time.dateTime);
    const today = when.toDateString() === new Date().toDateString();
    time.textContent = list.contains(time)
      ? today ? when.toLocaleTimeString() : when.toLocaleDateString()
      : when.toLocaleString();
  }
};

let shown = list.innerHTML;

const refresh = async () => {
  if (document.hidden) return;
  const response = await fetch(location.href, { cache: "no-store" });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("list");
  if (fresh.innerHTML === shown) return;
  shown = fresh.innerHTML;
  list.replaceChildren(...fresh.childNodes);
  showLocalTimes();
};

const pollForever = async () => {
  try {
    await refresh();
  } catch {
    // The server is restarting. Retry in the next round.
  }
  setTimeout(pollForever, 2000);
};

deleteAll.hidden = false;
deleteAll.addEventListener("click", async () => {
  await fetch("/dev/mailbox/messages", { method: "DELETE" });
  location.assign("/dev/mailbox");
});
document.addEventListener("visibilitychange", refresh);
showLocalTimes();
pollForever();
