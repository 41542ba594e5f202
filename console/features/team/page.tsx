"use client";

import Link from "next/link";
import { usePathname } from "next/navigation";
import { useEffect, useRef, type ReactNode } from "react";
import { Card, Empty, PageHeader } from "@/components/ui/layout";
import { useCan, useTeam, useTeamHref } from "@/features/teams/current";
import { cn } from "@/lib/cn";
import { useTranslations } from "@/lib/i18n";

interface Tab {
  path: string;
  label: "members" | "invitations" | "roles" | "settings" | "audit";
  /** Permissions of which the user needs one. */
  permissions: readonly string[];
  /** Whether a personal team has the page: it has one member. */
  isPersonal?: true;
}

const TABS: readonly Tab[] = [
  { path: "/team/", label: "members", permissions: ["teams:read"], isPersonal: true },
  { path: "/team/invitations/", label: "invitations", permissions: ["invitations:read"] },
  { path: "/team/roles/", label: "roles", permissions: ["teams:read"] },
  {
    path: "/team/settings/",
    label: "settings",
    permissions: ["teams:write", "teams:delete", "owners:write"],
    isPersonal: true,
  },
  { path: "/team/audit/", label: "audit", permissions: ["audit:read"], isPersonal: true },
];

interface Props {
  text?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** The frame of the pages about a team: their links, and an explanation to users who may not open the page. */
export function TeamPage({ text, actions, children }: Props) {
  const t = useTranslations("team");
  const path = usePathname();
  const can = useCan();
  const team = useTeam();
  const href = useTeamHref();
  const tabs = TABS.filter((tab) => tab.permissions.some(can) && (tab.isPersonal || !team.is_personal));
  const isOffered = tabs.some((tab) => tab.path === path);
  const bar = useRef<HTMLElement>(null);
  useEffect(() => {
    const current = bar.current?.querySelector<HTMLElement>("[aria-current]");
    if (bar.current && current) bar.current.scrollLeft = current.offsetLeft - bar.current.clientWidth / 2;
  }, [path]);
  return (
    <>
      <PageHeader title={t("title", { team: team.name })} text={text} actions={isOffered ? actions : undefined} />
      <nav
        ref={bar}
        aria-label={t("pages")}
        className="-mx-4 mb-6 overflow-x-auto border-b border-line px-4 sm:mx-0 sm:px-0"
      >
        <ul className="flex gap-5">
          {tabs.map((tab) => (
            <li key={tab.path}>
              <Link
                href={href(tab.path)}
                prefetch={false}
                aria-current={tab.path === path ? "page" : undefined}
                className={cn(
                  "block border-b-2 py-2.5 text-sm -outline-offset-2",
                  tab.path === path
                    ? "border-accent font-medium text-accent"
                    : "border-transparent text-quiet hover:text-ink",
                )}
              >
                {t(`tabs.${tab.label}`)}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      {isOffered ? (
        children
      ) : (
        <Card>
          {team.is_personal ? (
            <Empty title={t("personalTitle")} text={t("personalText")} />
          ) : (
            <Empty title={t("deniedTitle")} text={t("deniedText")} />
          )}
        </Card>
      )}
    </>
  );
}
