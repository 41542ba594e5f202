"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useCallback } from "react";
import { FilterSelect, List, SearchField, Toolbar } from "@/components/list";
import { RelativeTime } from "@/components/time";
import { Badge, Empty, PageHeader } from "@/components/ui/layout";
import { useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { allTeamsQuery, type AnyTeam } from "./queries";

const SORTS = ["-created_at", "created_at", "name"] as const;

type Sort = (typeof SORTS)[number];

const KINDS = ["shared", "personal"] as const;

export function AllTeamsList() {
  const t = useTranslations("allTeams");
  const [params, change] = useParams();
  const kind = params.get("kind") ?? "";
  const filters = {
    q: params.get("q") || undefined,
    is_personal: kind === "personal" ? true : kind === "shared" ? false : undefined,
    is_deleted: params.get("state") === "deleted",
    sort: (params.get("sort") as Sort | null) ?? SORTS[0],
  };
  const teams = useInfiniteQuery(allTeamsQuery(filters));
  const search = useCallback((q: string) => change({ q }), [change]);
  return (
    <>
      <PageHeader title={t("title")} text={t("text")} />
      <Toolbar>
        <SearchField label={t("search")} value={filters.q ?? ""} onSearch={search} />
        <FilterSelect
          label={t("kind")}
          value={kind}
          options={[
            { value: "", label: t("anyKind") },
            ...KINDS.map((value) => ({ value, label: t(`kinds.${value}`) })),
          ]}
          onChange={(chosen) => change({ kind: chosen })}
        />
        <FilterSelect
          label={t("state")}
          value={filters.is_deleted ? "deleted" : ""}
          options={[
            { value: "", label: t("existing") },
            { value: "deleted", label: t("deleted") },
          ]}
          onChange={(state) => change({ state })}
        />
        <FilterSelect
          label={t("sort")}
          value={filters.sort}
          options={SORTS.map((value) => ({ value, label: t(`sorts.${value}`) }))}
          onChange={(sort) => change({ sort })}
        />
      </Toolbar>
      <List
        query={teams}
        label={t("title")}
        keyOf={(team) => team.id}
        render={(team) => <TeamRow team={team} />}
        empty={
          filters.is_deleted && filters.q === undefined ? (
            <Empty title={t("noDeletedTitle")} text={t("noDeletedText")} />
          ) : (
            <Empty title={t("noMatchTitle")} text={t("noMatchText")} />
          )
        }
      />
    </>
  );
}

function TeamRow({ team }: { team: AnyTeam }) {
  const t = useTranslations("allTeams");
  const href = useTeamHref();
  return (
    <Link
      href={href("/admin/teams/team/", { id: team.id })}
      prefetch={false}
      className="flex flex-wrap items-center gap-x-4 gap-y-1.5 px-5 py-3.5 -outline-offset-2 hover:bg-ground"
    >
      <span className="min-w-0 flex-1 basis-60">
        <span className="block truncate font-medium">{team.name}</span>
        <span className="block truncate text-sm text-quiet">{team.slug}</span>
      </span>
      <TeamBadges team={team} />
      <span className="text-sm text-quiet">{t("memberCount", { count: team.members })}</span>
      <span className="text-sm text-quiet">
        {t.rich("created", { time: () => <RelativeTime value={team.created_at} /> })}
      </span>
    </Link>
  );
}

export function TeamBadges({ team }: { team: AnyTeam }) {
  const t = useTranslations("allTeams");
  return (
    <>
      {team.personal_user_id !== null && <Badge>{t("personal")}</Badge>}
      {team.deleted_at !== null && <Badge tone="bad">{t("deleted")}</Badge>}
    </>
  );
}
