"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useCallback } from "react";
import { SearchField, Toolbar } from "@/components/list";
import { Rows } from "@/components/rows";
import { Badge, Empty, PageHeader } from "@/components/ui/layout";
import { useTeamHref } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { flagsQuery, type Flag } from "./queries";
import { FlagBadge } from "./state";

export function FlagList() {
  const t = useTranslations("flags");
  const [params, change] = useParams();
  const q = params.get("q") ?? "";
  const flags = useQuery(flagsQuery);
  const search = useCallback((text: string) => change({ q: text }), [change]);
  const found = flags.data?.items.filter(({ key, description }) =>
    `${key} ${description}`.toLowerCase().includes(q.toLowerCase()),
  );
  return (
    <>
      <PageHeader title={t("title")} text={t("text")} />
      <Toolbar>
        <SearchField label={t("search")} value={q} onSearch={search} />
      </Toolbar>
      <Rows
        query={flags}
        items={found}
        label={t("title")}
        keyOf={(flag) => flag.key}
        render={(flag) => <FlagRow flag={flag} />}
        empty={
          q !== "" ? (
            <Empty title={t("noMatchTitle")} text={t("noMatchText")} />
          ) : (
            <Empty title={t("emptyTitle")} text={t("emptyText")} />
          )
        }
      />
    </>
  );
}

function FlagRow({ flag }: { flag: Flag }) {
  const t = useTranslations("flags");
  const href = useTeamHref();
  return (
    <Link
      href={href("/admin/flags/flag/", { key: flag.key })}
      prefetch={false}
      className="flex flex-wrap items-center gap-x-4 gap-y-1 px-5 py-4 -outline-offset-2 hover:bg-ground"
    >
      <span className="min-w-0 flex-1 basis-60">
        <span className="block truncate font-mono text-sm font-medium">{flag.key}</span>
        {flag.description !== "" && <span className="block truncate text-sm text-quiet">{flag.description}</span>}
      </span>
      {!flag.is_declared ? (
        <Badge tone="bad">{t("unused")}</Badge>
      ) : (
        flag.is_default && <span className="text-sm text-quiet">{t("default")}</span>
      )}
      <FlagBadge flag={flag} />
    </Link>
  );
}
