"use client";

import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { query } from "@/lib/query";
import { FLAGS } from "./queries";

export type Kind = "user" | "team";

/** Names that are read at once. */
const SHOWN = 20;

export interface Member {
  id: string;
  name: string;
  /** What distinguishes it from others with the same name. */
  detail: string;
}

const memberQuery = (kind: Kind, id: string) => ({
  ...query([...FLAGS, kind, id], async (signal): Promise<Member> => {
    if (kind === "team") {
      const { name, slug } = await api.allTeams.read({ team_id: id }, { signal });
      return { id, name, detail: slug };
    }
    const { full_name, email } = await api.users.read({ user_id: id }, { signal });
    return { id, name: full_name || email, detail: email };
  }),
  staleTime: 60_000,
});

interface Props {
  kind: Kind;
  ids: readonly string[];
  onRemove?: (id: string) => void;
}

/** The users or teams of a rule, by name. */
export function Members({ kind, ids, onRemove }: Props) {
  const t = useTranslations("common");
  const [shown, setShown] = useState(SHOWN);
  return (
    <>
      <ul className="flex flex-wrap gap-2">
        {ids.slice(0, shown).map((id) => (
          <MemberChip key={id} kind={kind} id={id} onRemove={onRemove} />
        ))}
      </ul>
      {ids.length > shown && (
        <Button variant="quiet" size="small" className="mt-2" onClick={() => setShown(shown + SHOWN)}>
          {t("loadMore")}
        </Button>
      )}
    </>
  );
}

function MemberChip({ kind, id, onRemove }: Omit<Props, "ids"> & { id: string }) {
  const t = useTranslations("flags");
  const { data } = useQuery(memberQuery(kind, id));
  const name = data?.name ?? id;
  return (
    <li className="flex max-w-full items-center gap-1 rounded-full border border-line bg-ground px-3 py-1 text-sm">
      <span className="truncate" title={data?.detail}>
        {name}
      </span>
      {onRemove && (
        <button
          type="button"
          aria-label={t("removeMember", { name })}
          className="-mr-1 cursor-pointer rounded-full p-0.5 text-quiet hover:text-ink"
          onClick={() => onRemove(id)}
        >
          <X className="size-4" aria-hidden />
        </button>
      )}
    </li>
  );
}
