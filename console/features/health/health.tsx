"use client";

import { useQuery } from "@tanstack/react-query";
import { ApiError, type ComponentRead, type Readiness } from "undercroft-client";
import { ErrorPanel } from "@/components/error-text";
import { Fact, Facts } from "@/components/facts";
import { Button } from "@/components/ui/button";
import { Badge, Card, PageHeader, Section, Skeleton } from "@/components/ui/layout";
import { useConfig } from "@/features/shell/config";
import { api } from "@/lib/api";
import { useFormatter, useTranslations } from "@/lib/i18n";
import { query } from "@/lib/query";

const INTERVAL = 10_000;

const TONES = { healthy: "good", degraded: "neutral", unhealthy: "bad" } as const;

/** Reads the checks. While a required component is down, the server returns them with 503. */
async function readReadiness(signal: AbortSignal): Promise<Readiness> {
  try {
    return await api.health.ready({ signal });
  } catch (error) {
    const body = error instanceof ApiError && error.status === 503 ? parse(error.body) : undefined;
    if (body === undefined) throw error;
    return body;
  }
}

function parse(body: unknown): Readiness | undefined {
  return typeof body === "object" && body !== null && "components" in body ? (body as Readiness) : undefined;
}

export function HealthPage() {
  const t = useTranslations("health");
  const readiness = useQuery({ ...query(["admin", "health"], readReadiness), refetchInterval: INTERVAL });
  const live = useQuery(query(["admin", "health", "live"], (signal) => api.health.live({ signal })));
  const { admin_url, docs_url } = useConfig();
  return (
    <>
      <PageHeader
        title={t("title")}
        text={t("text")}
        actions={
          <Button variant="secondary" pending={readiness.isFetching} onClick={() => void readiness.refetch()}>
            {t("refresh")}
          </Button>
        }
      />
      {readiness.data !== undefined ? (
        <>
          <Card className="mb-6 p-5 sm:p-6">
            <Facts>
              <Fact label={t("status")}>
                <span role="status">
                  <Badge tone={TONES[readiness.data.status]}>{t(`statuses.${readiness.data.status}`)}</Badge>
                </span>
              </Fact>
              <Fact label={t("version")}>{live.data?.version ?? "…"}</Fact>
            </Facts>
          </Card>
          <Components components={readiness.data.components} />
        </>
      ) : readiness.error ? (
        <ErrorPanel error={readiness.error} onRetry={() => void readiness.refetch()} />
      ) : (
        <Skeleton className="h-64" />
      )}
      {(admin_url !== null || docs_url !== null) && (
        <Section title={t("more")} text={t("moreText")}>
          <div className="flex flex-wrap gap-2">
            {admin_url !== null && (
              <Button asChild variant="secondary">
                <a href={admin_url}>{t("rawTables")}</a>
              </Button>
            )}
            {docs_url !== null && (
              <Button asChild variant="secondary">
                <a href={docs_url}>{t("apiDocs")}</a>
              </Button>
            )}
          </div>
        </Section>
      )}
    </>
  );
}

function Components({ components }: Pick<Readiness, "components">) {
  const t = useTranslations("health");
  return (
    <Section title={t("components")}>
      <ul aria-label={t("components")} className="divide-y divide-line">
        {Object.entries(components).map(([name, component]) => (
          <Component key={name} name={name} component={component} />
        ))}
      </ul>
    </Section>
  );
}

function Component({ name, component }: { name: string; component: ComponentRead }) {
  const t = useTranslations("health");
  const format = useFormatter();
  const title = t.has(`names.${name}` as never) ? t(`names.${name}` as never) : name;
  const details = Object.entries(component.details);
  return (
    <li className="py-3 first:pt-0 last:pb-0">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <span className="min-w-0 flex-1 basis-40 font-medium break-words">{title}</span>
        {!component.required && <span className="text-sm text-quiet">{t("optional")}</span>}
        <span className="text-sm text-quiet tabular-nums">
          {t("latency", { value: format.number(component.latency_ms, { maximumFractionDigits: 1 }) })}
        </span>
        <Badge tone={component.status === "up" ? "good" : "bad"}>{t(`states.${component.status}`)}</Badge>
      </div>
      {details.length > 0 && (
        <dl className="mt-2 grid gap-1 text-sm">
          {details.map(([key, value]) => (
            <div key={key} className="flex flex-wrap gap-x-3">
              <dt className="text-quiet">{key.replaceAll("_", " ")}</dt>
              <dd className="min-w-0 break-words">
                {typeof value === "object" ? JSON.stringify(value) : String(value)}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </li>
  );
}
