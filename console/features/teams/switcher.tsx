"use client";

import { useRouter } from "next/navigation";
import { ChevronsUpDown, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { Menu, type MenuEntry } from "@/components/ui/menu";
import { useTranslations } from "@/lib/i18n";
import { withParams } from "@/lib/url";
import { CreateTeam } from "./create";
import { useTeam, useTeams } from "./current";

/** Switches the team of this tab. */
export function TeamSwitcher() {
  const t = useTranslations("teams");
  const current = useTeam();
  const teams = useTeams();
  const router = useRouter();
  const [isCreating, setCreating] = useState(false);
  const open = (slug: string) => router.push(withParams("/", { team: slug }));
  const trigger = (
    <button
      type="button"
      className="flex w-full cursor-pointer items-center gap-2.5 rounded-lg border border-line p-2 text-left hover:bg-ground"
    >
      <span
        aria-hidden
        className="grid size-7 shrink-0 place-items-center rounded-md bg-accent text-sm font-semibold text-accent-ink"
      >
        {current.name.charAt(0).toUpperCase()}
      </span>
      <span className="min-w-0 flex-1 truncate text-sm font-medium">
        <span className="sr-only">{t("current")} </span>
        {current.name}
      </span>
      <ChevronsUpDown className="size-4 shrink-0 text-quiet" aria-hidden />
    </button>
  );
  const entries: MenuEntry[] = [
    { heading: t("teams") },
    ...teams.map(({ id, name, slug }) => ({ label: name, isChosen: id === current.id, onSelect: () => open(slug) })),
    { separator: true },
    { label: t("create"), icon: Plus, onSelect: () => setCreating(true) },
    { label: t("deletedTitle"), icon: Trash2, href: withParams("/teams/deleted/", { team: current.slug }) },
  ];
  return (
    <>
      <Menu trigger={trigger} entries={entries} align="start" />
      <CreateTeam open={isCreating} onOpenChange={setCreating} onCreated={(team) => open(team.slug)} />
    </>
  );
}
