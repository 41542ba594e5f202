"use client";

import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { ErrorPanel } from "@/components/error-text";
import { SearchField, Toolbar } from "@/components/list";
import { Card, Empty, PageHeader, Section, SkeletonRows } from "@/components/ui/layout";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { settingsQuery, type Setting } from "./queries";
import { SettingRow } from "./row";
import { useSettingTexts } from "./texts";

export function SettingList() {
  const t = useTranslations("settings");
  const texts = useSettingTexts();
  const [params, change] = useParams();
  const q = params.get("q") ?? "";
  const settings = useQuery(settingsQuery);
  const search = useCallback((text: string) => change({ q: text }), [change]);
  const found = settings.data?.items.filter((setting) =>
    [setting.name, texts.labelOf(setting), texts.descriptionOf(setting), texts.sectionOf(setting.section)]
      .join(" ")
      .toLowerCase()
      .includes(q.toLowerCase()),
  );
  return (
    <>
      <PageHeader title={t("title")} text={t("text")} />
      <Toolbar>
        <SearchField label={t("search")} value={q} onSearch={search} />
      </Toolbar>
      {found === undefined ? (
        settings.error ? (
          <ErrorPanel error={settings.error} onRetry={() => void settings.refetch()} />
        ) : (
          <Card>
            <SkeletonRows />
          </Card>
        )
      ) : found.length === 0 ? (
        <Card>
          <Empty title={t("noMatchTitle")} text={t("noMatchText")} />
        </Card>
      ) : (
        groupBySection(found).map(([section, group]) => (
          <Section key={section} title={texts.sectionOf(section)}>
            <ul className="divide-y divide-line">
              {group.map((setting) => (
                <li key={setting.name} className="py-4 first:pt-0 last:pb-0">
                  <SettingRow setting={setting} />
                </li>
              ))}
            </ul>
          </Section>
        ))
      )}
    </>
  );
}

function groupBySection(settings: readonly Setting[]): [string, Setting[]][] {
  const groups = new Map<string, Setting[]>();
  for (const setting of settings) groups.set(setting.section, [...(groups.get(setting.section) ?? []), setting]);
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}
