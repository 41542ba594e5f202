"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import type { PlatformRole } from "undercroft-client";
import Link from "next/link";
import { useCallback } from "react";
import { FilterSelect, List, SearchField, Toolbar } from "@/components/list";
import { RelativeTime } from "@/components/time";
import { Empty, PageHeader } from "@/components/ui/layout";
import { useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { UserBadges, useRoleOptions } from "./badges";
import { usersQuery, type User } from "./queries";

const SORTS = ["-created_at", "created_at", "email", "full_name"] as const;

type Sort = (typeof SORTS)[number];

export function UserList() {
  const t = useTranslations("users");
  const [params, change] = useParams();
  const roles = useRoleOptions();
  const state = params.get("state");
  const filters = {
    q: params.get("q") || undefined,
    role: (params.get("role") as PlatformRole | null) ?? undefined,
    is_active: state === "active" ? true : state === "deactivated" ? false : undefined,
    sort: (params.get("sort") as Sort | null) ?? SORTS[0],
  };
  const users = useInfiniteQuery(usersQuery(filters));
  const search = useCallback((q: string) => change({ q }), [change]);
  return (
    <>
      <PageHeader title={t("title")} text={t("text")} />
      <Toolbar>
        <SearchField label={t("search")} value={filters.q ?? ""} onSearch={search} />
        <FilterSelect
          label={t("role")}
          value={filters.role ?? ""}
          options={[{ value: "", label: t("anyRole") }, ...roles]}
          onChange={(role) => change({ role })}
        />
        <FilterSelect
          label={t("state")}
          value={state ?? ""}
          options={[
            { value: "", label: t("anyState") },
            { value: "active", label: t("active") },
            { value: "deactivated", label: t("deactivated") },
          ]}
          onChange={(chosen) => change({ state: chosen })}
        />
        <FilterSelect
          label={t("sort")}
          value={filters.sort}
          options={SORTS.map((value) => ({ value, label: t(`sorts.${value}`) }))}
          onChange={(sort) => change({ sort })}
        />
      </Toolbar>
      <List
        query={users}
        label={t("title")}
        keyOf={(user) => user.id}
        render={(user) => <UserRow user={user} />}
        empty={<Empty title={t("noMatchTitle")} text={t("noMatchText")} />}
      />
    </>
  );
}

function UserRow({ user }: { user: User }) {
  const t = useTranslations("users");
  const href = useTeamHref();
  return (
    <Link
      href={href("/admin/users/user/", { id: user.id })}
      prefetch={false}
      className="flex flex-wrap items-center gap-x-4 gap-y-1.5 px-5 py-3.5 -outline-offset-2 hover:bg-ground"
    >
      <span className="min-w-0 flex-1 basis-60">
        <span className="block truncate font-medium">{user.full_name || user.email}</span>
        {user.full_name !== "" && <span className="block truncate text-sm text-quiet">{user.email}</span>}
      </span>
      <UserBadges user={user} />
      <span className="text-sm text-quiet">
        {t.rich("registered", { time: () => <RelativeTime value={user.created_at} /> })}
      </span>
    </Link>
  );
}
