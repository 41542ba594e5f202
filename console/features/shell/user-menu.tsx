"use client";

import { ChevronsUpDown, LogOut, UserRound } from "lucide-react";
import { Menu, type MenuEntry } from "@/components/ui/menu";
import { useMe, signOut } from "@/features/session/session";
import { useTeamHref } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { LOCALES, useLocale, useTranslations, type Locale } from "@/lib/i18n";
import { useConfig } from "./config";

export function UserMenu() {
  const t = useTranslations("shell");
  const me = useMe();
  const { locale, choose } = useLocale();
  const href = useTeamHref();
  const { admin_url, mailbox_url, docs_url } = useConfig();
  const leaving = useAction({ run: signOut });
  const pages = [
    { href: admin_url, label: t("rawTables") },
    { href: mailbox_url, label: t("mailbox") },
    { href: docs_url, label: t("apiDocs") },
  ];
  const links = pages.filter((page): page is { href: string; label: string } => page.href !== null);
  const languages = Object.entries(LOCALES) as [Locale, string][];
  const entries: MenuEntry[] = [
    { label: t("account"), icon: UserRound, href: href("/account/") },
    { separator: true },
    { heading: t("language") },
    ...languages.map(([tag, label]) => ({ label, lang: tag, isChosen: tag === locale, onSelect: () => choose(tag) })),
    { separator: true },
    ...links.map(({ label, href }) => ({ label, onSelect: () => window.location.assign(href) })),
    ...(links.length > 0 ? [{ separator: true } as const] : []),
    { label: t("signOut"), icon: LogOut, onSelect: () => leaving.mutate() },
  ];
  const trigger = (
    <button
      type="button"
      className="flex w-full cursor-pointer items-center gap-2.5 rounded-lg p-2 text-left hover:bg-ground"
    >
      <span
        aria-hidden
        className="grid size-8 shrink-0 place-items-center rounded-full bg-accent/15 text-sm font-semibold text-accent"
      >
        {(me.full_name || me.email).charAt(0).toUpperCase()}
      </span>
      <span className="min-w-0 flex-1">
        <span className="block truncate text-sm font-medium">{me.full_name || me.email}</span>
        <span className="block truncate text-xs text-quiet">{me.email}</span>
      </span>
      <ChevronsUpDown className="size-4 shrink-0 text-quiet" aria-hidden />
    </button>
  );
  return <Menu trigger={trigger} entries={entries} align="start" />;
}
