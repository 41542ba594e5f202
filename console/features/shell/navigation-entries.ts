"use client";

import { usePathname } from "next/navigation";
import { Puzzle, type LucideIcon } from "lucide-react";
import type { ConsolePage } from "undercroft-client";
import { useIsAdministrator } from "@/features/admin/gate";
import { titleOf } from "@/features/extensions/title";
import { useMe } from "@/features/session/session";
import { useCan, useTeamHref } from "@/features/teams/current";
import { useLocale, useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { useConfig, useHasModule } from "./config";
import { ACCOUNT_PAGES, ADMIN_PAGES, USER_PAGES, type Entry } from "./navigation";

export interface NavigationItem {
  key: string;
  href: string;
  text: string;
  icon: LucideIcon;
  isCurrent: boolean;
}

/** Pages whose paths are the beginning of other pages' paths. */
const ALONE = ["/", "/account/", "/admin/"];

/** The pages that the user may open: those of the console and of extensions. */
export function useNavigation(): Record<"user" | "account" | "admin", NavigationItem[]> {
  const t = useTranslations("navigation");
  const { locale } = useLocale();
  const can = useCan();
  const { impersonated_by } = useMe();
  const isAdministrator = useIsAdministrator();
  const has = useHasModule();
  const { pages } = useConfig();
  const href = useTeamHref();
  const path = usePathname();
  const [params] = useParams();

  const isOffered = ({ module, permission, isPersonal }: Entry) =>
    (module === undefined || has(module)) &&
    (permission === undefined || can(permission)) &&
    (isPersonal !== true || impersonated_by === null);
  const toItem = (entry: Entry): NavigationItem => ({
    key: entry.path,
    href: href(entry.path),
    text: t(entry.label),
    icon: entry.icon,
    isCurrent: ALONE.includes(entry.path) ? path === entry.path : path.startsWith(entry.path),
  });
  const toExtensionItem = (page: ConsolePage): NavigationItem => {
    const key = `${page.module}/${page.path}`;
    const isCurrent = path === "/extension/" && params.get("page") === key;
    return { key, href: href("/extension/", { page: key }), text: titleOf(page, locale), icon: Puzzle, isCurrent };
  };
  const ofExtensions = (area: ConsolePage["area"]) =>
    pages
      .filter((page) => page.area === area && (page.permission === null || can(page.permission)))
      .map(toExtensionItem);
  return {
    user: [...USER_PAGES.filter(isOffered).map(toItem), ...ofExtensions("team")],
    account: ACCOUNT_PAGES.filter(isOffered).map(toItem),
    admin: isAdministrator ? [...ADMIN_PAGES.filter(isOffered).map(toItem), ...ofExtensions("admin")] : [],
  };
}
