"use client";

import { useQuery } from "@tanstack/react-query";
import { useEffect, useId, useState } from "react";
import { ErrorText } from "@/components/error-text";
import { TextField } from "@/components/ui/field";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { query } from "@/lib/query";
import { Members, type Kind, type Member } from "./members";
import { FLAGS } from "./queries";

const FOUND = 8;
const TYPING_PAUSE = 250;

const searchQuery = (kind: Kind, q: string) =>
  query([...FLAGS, "search", kind, q], async (signal): Promise<Member[]> => {
    if (kind === "team") {
      const teams = await api.allTeams.list({ q, size: FOUND }, { signal });
      return teams.items.map(({ id, name, slug }) => ({ id, name, detail: slug }));
    }
    const users = await api.users.list({ q, size: FOUND }, { signal });
    return users.items.map(({ id, full_name, email }) => ({ id, name: full_name || email, detail: email }));
  });

interface Props {
  kind: Kind;
  ids: readonly string[];
  error: string | undefined;
  onChange: (ids: string[]) => void;
}

/** Chooses users or teams by searching for them. */
export function MemberPicker({ kind, ids, error, onChange }: Props) {
  const t = useTranslations("flags");
  const listId = useId();
  const [text, setText] = useState("");
  const q = useDebounced(text.trim());
  const found = useQuery({ ...searchQuery(kind, q), enabled: q !== "" });
  const offered = q === "" ? [] : (found.data ?? []).filter(({ id }) => !ids.includes(id));
  return (
    <div className="grid gap-2">
      <TextField
        label={t(kind === "user" ? "users" : "teams")}
        hint={t(kind === "user" ? "usersHint" : "teamsHint")}
        error={error}
        type="search"
        autoComplete="off"
        placeholder={t(kind === "user" ? "searchUsers" : "searchTeams")}
        maxLength={200}
        value={text}
        aria-controls={listId}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") event.preventDefault(); // it searches, and does not save the rule
        }}
      />
      <ul id={listId} aria-live="polite" className="grid gap-1">
        {offered.map(({ id, name, detail }) => (
          <li key={id}>
            <button
              type="button"
              className="w-full cursor-pointer rounded-lg border border-line px-3 py-1.5 text-left text-sm hover:bg-ground"
              onClick={() => {
                onChange([...ids, id]);
                setText("");
              }}
            >
              <span className="block truncate font-medium">{name}</span>
              {detail !== name && <span className="block truncate text-quiet">{detail}</span>}
            </button>
          </li>
        ))}
        {q !== "" && found.data !== undefined && offered.length === 0 && (
          <li className="text-sm text-quiet">{t("noneFound")}</li>
        )}
        {found.error && (
          <li className="text-sm text-bad">
            <ErrorText error={found.error} />
          </li>
        )}
      </ul>
      <Members kind={kind} ids={ids} onRemove={(id) => onChange(ids.filter((each) => each !== id))} />
    </div>
  );
}

/** Returns the text as it was when the user last stopped typing. */
function useDebounced(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), TYPING_PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
