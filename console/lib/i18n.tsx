"use client";

import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import { IntlProvider, useLocale as useLoadedLocale, useMessages, type Messages } from "use-intl";
import english from "@/messages/en";
import type pages from "@/messages/en/pages";

export { useFormatter, useTranslations } from "use-intl";

declare module "use-intl" {
  interface AppConfig {
    Messages: typeof english & typeof pages;
    Locale: Locale;
  }
}

type Texts = Partial<Messages>;

export const LOCALES = { en: "English", de: "Deutsch" } as const;

export type Locale = keyof typeof LOCALES;

const STORED = "undercroft.locale";

interface Choice {
  locale: Locale;
  /** Whether the texts of the language have been loaded. */
  isLoaded: boolean;
  choose: (locale: Locale) => void;
}

const ChoiceContext = createContext<Choice>({ locale: "en", isLoaded: true, choose });

export const useLocale = () => useContext(ChoiceContext);

/** Provides the texts in the language that was chosen in this browser, or else the first it knows of the browser's. */
export function I18nProvider({ children }: { children: ReactNode }) {
  const locale = useSyncExternalStore(subscribe, preferredLocale, () => "en" as const);
  const [loaded, setLoaded] = useState<{ locale: Locale; messages: Texts }>({ locale: "en", messages: english });
  useEffect(() => {
    document.documentElement.lang = locale;
    let isCurrent = true;
    void loadMessages(locale).then((messages) => {
      if (isCurrent) setLoaded({ locale, messages });
    });
    return () => {
      isCurrent = false;
    };
  }, [locale]);

  const choice = useMemo(() => ({ locale, isLoaded: loaded.locale === locale, choose }), [locale, loaded]);
  const timeZone = typeof window === "undefined" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <ChoiceContext value={choice}>
      <IntlProvider locale={loaded.locale} messages={loaded.messages} timeZone={timeZone}>
        {children}
      </IntlProvider>
    </ChoiceContext>
  );
}

/** Adds English texts that only some pages load. Other languages are loaded whole. */
export function MoreTexts({ english: added, children }: { english: Texts; children: ReactNode }) {
  const locale = useLoadedLocale();
  const loaded = useMessages();
  const messages = useMemo(() => ({ ...added, ...loaded }), [added, loaded]);
  return (
    <IntlProvider locale={locale} messages={messages}>
      {children}
    </IntlProvider>
  );
}

async function loadMessages(locale: Locale): Promise<Texts> {
  return locale === "en" ? english : (await import("@/messages/de")).default;
}

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("storage", listener); // another tab has chosen
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}

function choose(locale: Locale): void {
  localStorage.setItem(STORED, locale);
  listeners.forEach((listener) => listener());
}

function preferredLocale(): Locale {
  const wanted = [localStorage.getItem(STORED), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((tag): tag is Locale => tag !== null && tag in LOCALES) ?? "en";
}
