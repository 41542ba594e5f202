"use client";

import { zodResolver } from "@hookform/resolvers/zod";
import { ApiError, type ErrorCode } from "undercroft-client";
import { useEffect, useState, type ReactNode } from "react";
import { useForm, type DefaultValues, type FieldValues, type Path, type UseFormReturn } from "react-hook-form";
import type * as z from "zod/mini";
import { ErrorText, useCountdown, useErrorMessage } from "@/components/error-text";
import { Button } from "@/components/ui/button";
import { Cancelled } from "@/lib/errors";
import { useTranslations } from "@/lib/i18n";

interface Options<Values extends FieldValues> {
  schema: z.ZodMiniType<Values, Values>;
  values: DefaultValues<Values>;
  /** Sends the form. It stays as it is when this rejects. */
  submit: (values: Values) => Promise<unknown>;
  /** The fields that errors of these codes are about. */
  fieldOf?: Partial<Record<ErrorCode, Path<Values>>>;
}

export interface ServerForm<Values extends FieldValues> {
  form: UseFormReturn<Values>;
  submit: (event?: React.BaseSyntheticEvent) => Promise<void>;
  /** The error that belongs to no field. */
  failure: unknown;
  isPending: boolean;
  /** Attributes of the field of this name: its registration and its error. */
  field: (name: Path<Values>) => ReturnType<UseFormReturn<Values>["register"]> & { error: string | undefined };
}

/** A form whose errors, of the browser and of the server, are shown beside its fields. What was typed is never lost. */
export function useServerForm<Values extends FieldValues>(options: Options<Values>): ServerForm<Values> {
  const t = useTranslations("validation");
  const describe = useErrorMessage();
  const [failure, setFailure] = useState<unknown>();
  const form = useForm<Values>({ resolver: zodResolver(options.schema), defaultValues: options.values });
  const { errors, isSubmitting, isDirty } = form.formState;
  useUnsavedChanges(isDirty);

  const submit = form.handleSubmit(async (values) => {
    setFailure(undefined);
    try {
      await options.submit(values);
      form.reset(values, { keepValues: true }); // there are no unsaved changes any more
    } catch (error) {
      if (error instanceof Cancelled) return;
      const name = error instanceof ApiError ? options.fieldOf?.[error.code as ErrorCode] : undefined;
      if (name !== undefined) form.setError(name, { type: "server", message: describe(error) }, { shouldFocus: true });
      else if (!showBesideFields(form, error)) setFailure(error);
    }
  });

  return {
    form,
    submit,
    failure,
    isPending: isSubmitting,
    field: (name) => {
      const message = errorOf(errors, name);
      const isKey = message !== undefined && t.has(message as never);
      return { ...form.register(name), error: isKey ? t(message as never) : message };
    },
  };
}

function errorOf(errors: object, name: string): string | undefined {
  const found = name
    .split(".")
    .reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], errors);
  return (found as { message?: string } | undefined)?.message;
}

/** Shows the errors of a response beside the fields they are about; returns whether all of them have one. */
function showBesideFields<Values extends FieldValues>(form: UseFormReturn<Values>, error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  const names = Object.keys(form.getValues());
  const invalid = error.fields.map(({ field, message }) => ({ name: field.replace(/^body\./, ""), message }));
  const known = invalid.filter(({ name }) => names.includes(name.split(".")[0] ?? ""));
  known.forEach(({ name, message }, index) =>
    form.setError(name as Path<Values>, { type: "server", message }, { shouldFocus: index === 0 }),
  );
  return known.length > 0 && known.length === invalid.length;
}

/** Lets the browser ask before the page is left with changes that were not saved. */
function useUnsavedChanges(hasChanges: boolean): void {
  useEffect(() => {
    if (!hasChanges) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [hasChanges]);
}

interface FormProps<Values extends FieldValues> {
  form: ServerForm<Values>;
  children: ReactNode;
  className?: string;
}

export function Form<Values extends FieldValues>({ form, children, className }: FormProps<Values>) {
  return (
    <form noValidate onSubmit={form.submit} className={className ?? "grid gap-4"}>
      {children}
      {form.failure !== undefined && (
        <div role="alert" className="rounded-lg bg-bad-ground p-3 text-sm break-words text-bad">
          <ErrorText error={form.failure} />
        </div>
      )}
    </form>
  );
}

interface SubmitProps {
  form: Pick<ServerForm<FieldValues>, "isPending" | "failure">;
  variant?: "primary" | "danger";
  children: ReactNode;
}

/** The button that sends a form; after 429, it waits as long as the server asks. */
export function Submit({ form, variant, children }: SubmitProps) {
  const t = useTranslations("common");
  const wait = useCountdown(form.failure);
  return (
    <Button type="submit" variant={variant} pending={form.isPending} disabled={wait > 0}>
      {wait > 0 ? t("tryAgainIn", { seconds: wait }) : children}
    </Button>
  );
}
