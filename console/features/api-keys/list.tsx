"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import type { ApiKeyWithSecret, KeyKind } from "undercroft-client";
import { Plus } from "lucide-react";
import { useCallback, useState } from "react";
import { FilterSelect, List, SearchField, Toolbar } from "@/components/list";
import { Button } from "@/components/ui/button";
import { Empty, PageHeader } from "@/components/ui/layout";
import { OnlyForUser } from "@/features/account/frame";
import { useMe } from "@/features/session/session";
import { useCan, useTeam } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { CreateApiKey } from "./create";
import { apiKeysQuery } from "./queries";
import { ApiKeyRow } from "./row";
import { NewKey } from "./secret";

const SORTS = ["-created_at", "name", "-last_used_at", "expires_at"] as const;

type Sort = (typeof SORTS)[number];

export function ApiKeyList() {
  const t = useTranslations("apiKeys");
  const { impersonated_by } = useMe();
  if (impersonated_by !== null)
    return (
      <>
        <PageHeader title={t("title")} />
        <OnlyForUser />
      </>
    );
  return <ApiKeys />;
}

function ApiKeys() {
  const t = useTranslations("apiKeys");
  const can = useCan();
  const team = useTeam();
  const [params, change] = useParams();
  const [isCreating, setCreating] = useState(params.get("new") === "1");
  const [secret, setSecret] = useState<ApiKeyWithSecret>();
  const seesTeam = can("api_keys:read") && !team.is_personal;
  const filters = {
    q: params.get("q") || undefined,
    kind: seesTeam ? ((params.get("kind") as KeyKind | null) ?? undefined) : undefined,
    sort: (params.get("sort") as Sort | null) ?? SORTS[0],
  };
  const keys = useInfiniteQuery(apiKeysQuery(team.id, filters));
  const open = (isOpen: boolean) => {
    setCreating(isOpen);
    if (!isOpen && params.has("new")) change({ new: undefined }); // a reload does not open it again
  };
  const search = useCallback((q: string) => change({ q }), [change]);
  const isFiltered = filters.q !== undefined || filters.kind !== undefined;
  const create = (
    <Button onClick={() => open(true)}>
      <Plus className="size-4" aria-hidden />
      {t("create")}
    </Button>
  );

  return (
    <>
      <PageHeader title={t("title")} text={t("text")} actions={create} />
      <Toolbar>
        <SearchField label={t("search")} value={filters.q ?? ""} onSearch={search} />
        {seesTeam && (
          <FilterSelect
            label={t("kind")}
            value={filters.kind ?? ""}
            options={[
              { value: "", label: t("anyKind") },
              { value: "user", label: t("kinds.user") },
              { value: "team", label: t("kinds.team") },
            ]}
            onChange={(kind) => change({ kind })}
          />
        )}
        <FilterSelect
          label={t("sort")}
          value={filters.sort}
          options={SORTS.map((value) => ({ value, label: t(`sorts.${value}`) }))}
          onChange={(sort) => change({ sort })}
        />
      </Toolbar>
      <List
        query={keys}
        label={t("title")}
        keyOf={(key) => key.id}
        render={(key) => <ApiKeyRow apiKey={key} onRotated={setSecret} />}
        empty={
          isFiltered ? (
            <Empty title={t("noMatchTitle")} text={t("noMatchText")} />
          ) : (
            <Empty title={t("emptyTitle")} text={t("emptyText")} action={create} />
          )
        }
      />
      <CreateApiKey open={isCreating} onOpenChange={open} onCreated={setSecret} />
      <NewKey created={secret} onClose={() => setSecret(undefined)} />
    </>
  );
}
